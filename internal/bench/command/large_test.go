package command

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/bench/benchtest"
	"github.com/weirstate/weir/internal/bench/harness"
)

func TestLargeJobHasTheSameResultOnAllBackends(t *testing.T) {
	dir := t.TempDir()
	code, stdout, stderr := runBench(context.Background(), "-job", "large", "-records", "8000", "-checkpoint-every", "5ms", "-backend", "all", "-all", "-dir", dir)
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "In:  4,000 keys with values of 100 B")
	require.Contains(t, stdout, "The same result 17 times: every value read was the one written last.")
	benchtest.RequireEmpty(t, dir)
}

func TestLargeJobRunsOnLSMIncrementalByDefault(t *testing.T) {
	o, err := parseOptions([]string{"-job", "large"}, nil)
	require.NoError(t, err)
	require.Equal(t, []string{harness.LSMIncremental}, o.backends)
	o, err = parseOptions([]string{"-job", "large", "-backend", "hash"}, nil)
	require.NoError(t, err)
	require.Equal(t, []string{"hash"}, o.backends)
}
