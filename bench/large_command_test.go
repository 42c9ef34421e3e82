package main

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLargeJobComesToOneResult(t *testing.T) {
	dir := t.TempDir()
	code, stdout, stderr := runBench(context.Background(), "-job", "large", "-records", "8000", "-checkpoint-every", "5ms", "-backend", "all", "-dir", dir)
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "In:  4,000 keys with values of 100 B")
	require.Contains(t, stdout, "The same result 14 times: every value was what had been written last.")
	requireEmpty(t, dir)
}

func TestLargeJobHasItsOwnDefaults(t *testing.T) {
	o, err := parseOptions([]string{"-job", "large"}, nil)
	require.NoError(t, err)
	require.Equal(t, []string{lsmIncremental}, o.backends)
	require.EqualValues(t, largeKeys*largeRounds, o.records)
	require.Equal(t, largeEvery, o.every)
	o, err = parseOptions([]string{"-job", "large", "-backend", "hash", "-quick", "-checkpoint-every", "1s"}, nil)
	require.NoError(t, err)
	require.Equal(t, []string{"hash"}, o.backends)
	require.EqualValues(t, quickRecords, o.records)
	require.Equal(t, time.Second, o.every)
}
