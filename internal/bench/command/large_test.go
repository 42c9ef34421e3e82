package command

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/bench/benchtest"
	"github.com/weirstate/weir/internal/bench/harness"
	"github.com/weirstate/weir/internal/bench/largejob"
)

func TestLargeJobComesToOneResult(t *testing.T) {
	dir := t.TempDir()
	code, stdout, stderr := runBench(context.Background(), "-job", "large", "-records", "8000", "-checkpoint-every", "5ms", "-backend", "all", "-dir", dir)
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "In:  4,000 keys with values of 100 B")
	require.Contains(t, stdout, "The same result 14 times: every value was what had been written last.")
	benchtest.RequireEmpty(t, dir)
}

func TestLargeJobHasItsOwnDefaults(t *testing.T) {
	o, err := parseOptions([]string{"-job", "large"}, nil)
	require.NoError(t, err)
	require.Equal(t, []string{harness.LSMIncremental}, o.backends)
	require.EqualValues(t, largejob.Keys*largejob.Rounds, o.records)
	require.Equal(t, largeEvery, o.every)
	o, err = parseOptions([]string{"-job", "large", "-backend", "hash", "-quick", "-checkpoint-every", "1s"}, nil)
	require.NoError(t, err)
	require.Equal(t, []string{"hash"}, o.backends)
	require.EqualValues(t, quickRecords, o.records)
	require.Equal(t, time.Second, o.every)
}
