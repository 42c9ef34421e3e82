package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// runBench runs the program.
func runBench(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = bench(ctx, args, &out, &err)
	return code, out.String(), err.String()
}

func TestBenchWritesATableAndLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	code, stdout, stderr := runBench(context.Background(),
		"-records", "20000", "-snapshot-every", "1ms", "-dir", dir, "-compression", "none")
	require.Zero(t, code, stderr)
	require.Empty(t, stderr, "progress without a terminal")
	requireEmpty(t, dir)
	_, table, found := strings.Cut(stdout, "\nbackend")
	require.True(t, found)
	for _, row := range []string{"\nhash ", "\nbtree "} {
		require.Equal(t, 2, strings.Count(table, row), stdout)
	}
	require.Contains(t, stdout, "The same result 4 times")
}

func TestInterruptLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	ctx, interrupt := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		code, stdout, stderr := runBench(ctx, "-snapshot-every", "1ms", "-backend", "hash", "-records", "100000", "-dir", dir)
		assert.Equal(t, exitInterrupted, code, stderr)
		assert.NotContains(t, stdout, "digest")
	}()
	require.Eventually(t, func() bool {
		files, err := filepath.Glob(filepath.Join(dir, "*", "dedup-*"))
		return err == nil && len(files) > 0
	}, time.Minute, time.Millisecond, "no snapshot in the directory")
	interrupt()
	<-done
	requireEmpty(t, dir)
}

func TestBadCommandLineIsRefused(t *testing.T) {
	for _, args := range [][]string{
		{"-backend", "lsm"}, {"-compression", "gzip"}, {"-records", "1"}, {"-records", "x"},
		{"-snapshot-every", "0s"}, {"-snapshot-every", "1"}, {"-nonsense"}, {"file.csv"},
	} {
		code, stdout, stderr := runBench(context.Background(), args...)
		require.Equal(t, exitUsage, code, args)
		require.Empty(t, stdout)
		require.Contains(t, stderr, strings.TrimPrefix(args[0], "-"))
	}
}

func TestHelpSaysWhatItIsAndShowsExamples(t *testing.T) {
	code, _, stderr := runBench(context.Background(), "-h")
	require.Zero(t, code)
	for _, want := range []string{"3,000,000 flights", "go run ./bench -quick", "-snapshot-every"} {
		require.Contains(t, stderr, want)
	}
}

func TestQuickYieldsToOtherFlags(t *testing.T) {
	o, err := parseOptions([]string{"-quick", "-records", "5000"}, os.Stderr)
	require.NoError(t, err)
	require.EqualValues(t, 5000, o.records)
	require.Equal(t, quickSnapshotEvery, o.snapshotEvery)
}

func TestMissingInputSaysWhatToPass(t *testing.T) {
	code, _, stderr := runBench(context.Background(), "-input", "no/such/file.csv")
	require.Equal(t, exitFailed, code)
	require.Contains(t, stderr, "-input: stat no/such/file.csv")

	t.Chdir(t.TempDir())
	code, _, stderr = runBench(context.Background())
	require.Equal(t, exitFailed, code)
	require.Contains(t, stderr, "bench/data/flights-2001-h1.csv.zst is not here")
}

func TestMalformedInputFailsBeforeAnyRun(t *testing.T) {
	dir := t.TempDir()
	input := filepath.Join(dir, "flights.csv")
	for content, want := range map[string]string{
		header + "\n": "no flights",
		"":            "line 1: the header is not",
		header + "\n2001-01-01 00:01,33,2176,LAS,PHL\nx\n": "line 3: not 5 fields",
	} {
		require.NoError(t, os.WriteFile(input, []byte(content), 0o600))
		code, _, stderr := runBench(context.Background(), "-input", input)
		require.Equal(t, exitFailed, code)
		require.Contains(t, stderr, "flights.csv: "+want)
	}
	truncated, err := os.ReadFile("data/flights-2001-h1.csv.zst")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(input+".zst", truncated[:1<<20], 0o600))
	code, _, stderr := runBench(context.Background(), "-input", input+".zst")
	require.Equal(t, exitFailed, code)
	require.Contains(t, stderr, "unexpected EOF")
}

func TestDigestsThatDifferAreAnError(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, compare(&out, []measurement{{digest: "a"}, {digest: "a"}}))
	require.ErrorIs(t, compare(&out, []measurement{{digest: "a"}, {digest: "a"}, {digest: "b"}}), errDigests)
}
