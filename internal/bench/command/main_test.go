package command

import (
	"os"
	"testing"

	"github.com/weirstate/weir/internal/bench/harness"
)

// TestMain lets the test binary run as a child process of the harness.
func TestMain(m *testing.M) {
	harness.ServeIfChild()
	os.Exit(m.Run())
}
