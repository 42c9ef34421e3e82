package sorted_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/examples/backend/sorted"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/statetest"
)

func TestSortedConforms(t *testing.T) {
	statetest.Run(t, func(_ testing.TB, o state.Options) (snapshot.Backend, error) { return sorted.New(o) })
}

// The helpers of state/backend keep a whole backend short.
func TestBackendHasAtMost250Lines(t *testing.T) {
	code, err := os.ReadFile("backend.go")
	require.NoError(t, err)
	require.LessOrEqual(t, bytes.Count(code, []byte("\n")), 250)
}
