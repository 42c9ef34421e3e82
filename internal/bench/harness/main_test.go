package harness

import (
	"os"
	"testing"
)

// TestMain lets the test binary run as a child process of the harness.
func TestMain(m *testing.M) {
	ServeIfChild()
	os.Exit(m.Run())
}
