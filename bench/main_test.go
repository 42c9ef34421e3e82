package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
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

func requireEmpty(t *testing.T, dir string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, files)
}

func TestBenchWritesATableAndLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	figures := filepath.Join(t.TempDir(), "figures.json")
	code, stdout, stderr := runBench(context.Background(),
		"-records", "2000", "-checkpoint-every", "5ms", "-dir", dir, "-compression", "none", "-json", figures)
	require.Zero(t, code, stderr)
	require.Empty(t, stderr, "progress without a terminal")
	requireEmpty(t, dir)
	_, table, found := strings.Cut(stdout, "\nbackend")
	require.True(t, found)
	for _, backend := range allBackends {
		rows := 4
		if (plan{backend: backend}).onDisk() {
			rows = 3
		}
		require.Equal(t, rows, strings.Count(table, "\n"+backend+" "), stdout)
	}
	require.Contains(t, stdout, "The same result 14 times")

	var written struct {
		Machine map[string]any
		Rows    []map[string]any
	}
	require.NoError(t, json.Unmarshal([]byte(content(t, figures)), &written))
	require.Contains(t, written.Machine, "cpu")
	require.Len(t, written.Rows, 14)
	for _, row := range written.Rows {
		require.EqualValues(t, 2000, row["records"])
		require.Positive(t, row["records_per_s"])
		require.Contains(t, table, row["digest"])
		for _, field := range []string{"backend", "storage", "pauses", "checkpoints", "checkpoint_bytes", "checkpoint_ms", "restore_ms", "peak_rss_bytes"} {
			require.Contains(t, row, field)
		}
		for _, field := range []string{"p50", "p99", "max"} {
			require.Contains(t, row["pause_ns"], field)
		}
	}
}

// The interrupt comes at a time when a process runs: the job that is to be
// killed waits minutes for its checkpoints.
func TestInterruptLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	ctx, interrupt := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		code, stdout, stderr := runBench(ctx, "-checkpoint-every", "1m", "-backend", "hash", "-storage", "file", "-records", "1000", "-dir", dir)
		assert.Equal(t, exitInterrupted, code, stderr)
		assert.NotContains(t, stdout, "digest")
	}()
	require.Eventually(t, func() bool {
		files, err := filepath.Glob(filepath.Join(dir, "*", "run", "checkpoints", "*"))
		return err == nil && len(files) > 0
	}, time.Minute, time.Millisecond, "no directory for checkpoints")
	interrupt()
	<-done
	requireEmpty(t, dir)
}

// program is the program itself, as a process that writes into a directory.
func program(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("no signals")
	}
	path, err := os.Executable()
	require.NoError(t, err)
	args = append([]string{programArgument, "-backend", "hash", "-records", "1000", "-dir", dir}, args...)
	return exec.Command(path, args...)
}

func TestSignalLeavesNothing(t *testing.T) {
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		dir := t.TempDir()
		p := program(t, dir, "-checkpoint-every", "1m", "-storage", "file")
		require.NoError(t, p.Start())
		assert.Eventually(t, func() bool {
			files, err := filepath.Glob(filepath.Join(dir, "*", "run", "checkpoints", "*"))
			return err == nil && len(files) > 0
		}, time.Minute, time.Millisecond, "no directory for checkpoints")
		require.NoError(t, p.Process.Signal(signal))
		require.Error(t, p.Wait())
		require.Equal(t, exitInterrupted, p.ProcessState.ExitCode(), signal)
		requireEmpty(t, dir)
	}
}

func TestReaderThatGoesAwayLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	p := program(t, dir, "-checkpoint-every", "5ms", "-storage", "memory")
	var complaints bytes.Buffer
	p.Stderr = &complaints
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	require.NoError(t, reader.Close())
	p.Stdout = writer
	require.Error(t, p.Run())
	require.NoError(t, writer.Close())
	require.Equal(t, exitFailed, p.ProcessState.ExitCode())
	require.Contains(t, complaints.String(), "broken pipe")
	requireEmpty(t, dir)
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
	truncated, err := os.ReadFile("data/flights-2001-h1.csv.zst")
	require.NoError(t, err)
	dir := t.TempDir()
	input := filepath.Join(t.TempDir(), "flights.csv")
	fails := func(input, want string) {
		code, _, stderr := runBench(context.Background(), "-input", input, "-dir", dir)
		require.Equal(t, exitFailed, code)
		require.Contains(t, stderr, want)
		requireEmpty(t, dir)
	}
	const good = "2001-01-01 00:01,33,2176,LAS,PHL\n"
	for content, want := range map[string]string{
		header + "\n":                "no flights",
		"":                           "line 1: the header is not",
		header + "\n" + good + "x\n": "line 3: not 5 fields",
		header + "\n" + strings.Repeat(good, minRecords-1): "31 flights, too few",
	} {
		require.NoError(t, os.WriteFile(input, []byte(content), 0o600))
		fails(input, "flights.csv: "+want)
	}
	require.NoError(t, os.WriteFile(input+".zst", truncated[:1<<20], 0o600))
	fails(input+".zst", "unexpected EOF")
}

func TestDigestsThatDifferAreAnError(t *testing.T) {
	var out bytes.Buffer
	a, b := measurement{result: result{sum: 1}}, measurement{result: result{sum: 2}}
	require.NoError(t, conclude(&out, []measurement{a, a}))
	require.ErrorIs(t, conclude(&out, []measurement{a, a, b}), errDigests)
}
