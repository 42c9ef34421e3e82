package command

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/await"
	"github.com/weirstate/weir/internal/bench/benchtest"
	"github.com/weirstate/weir/internal/bench/dataset"
	"github.com/weirstate/weir/internal/bench/harness"
)

// runBench runs the command and returns its exit code and output.
func runBench(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = Run(ctx, args, &out, &err)
	return code, out.String(), err.String()
}

func TestBenchWritesATableAndRemovesItsFiles(t *testing.T) {
	dir := t.TempDir()
	figures := filepath.Join(t.TempDir(), "figures.json")
	code, stdout, stderr := runBench(context.Background(),
		"-all", "-wide", "-records", "2000", "-checkpoint-every", "5ms", "-dir", dir, "-compression", "none", "-json", figures)
	require.Zero(t, code, stderr)
	runs := strings.Split(strings.TrimSpace(stderr), "\n")
	require.Len(t, runs, 17, "without a terminal, progress is a line for each run")
	require.Equal(t, "run 17 of 17: lsm-tier, file, killed twice", runs[16])
	benchtest.RequireEmpty(t, dir)
	_, table, found := strings.Cut(stdout, "\nbackend")
	require.True(t, found)
	for _, backend := range harness.AllBackends {
		rows := 4
		if (harness.Plan{Backend: backend}).OnDisk() {
			rows = 3
		}
		require.Equal(t, rows, strings.Count(table, "\n"+backend+" "), stdout)
	}
	require.Contains(t, stdout, "The same result 17 times")
	require.Contains(t, stdout, "hash, file: the process was killed (SIGKILL) twice; continued from checkpoint")

	var written struct {
		Machine map[string]any
		Rows    []map[string]any
	}
	require.NoError(t, json.Unmarshal([]byte(benchtest.ContentOf(t, figures)), &written))
	require.Contains(t, written.Machine, "cpu")
	require.Len(t, written.Rows, 17)
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

// The command is interrupted while a child process runs: with one checkpoint per minute, the job
// waits minutes for the checkpoints before its first failure.
func TestInterruptedBenchRemovesItsFiles(t *testing.T) {
	dir := t.TempDir()
	ctx, interrupt := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		code, stdout, stderr := runBench(ctx, "-checkpoint-every", "1m", "-backend", "hash", "-storage", "file", "-records", "1000", "-dir", dir)
		assert.Equal(t, ExitInterrupted, code, stderr)
		assert.Contains(t, stdout, "\nhash             none", "the row of the completed run")
		assert.NotContains(t, stdout, "The same result")
	}()
	await.True(t, func() bool {
		files, err := filepath.Glob(filepath.Join(dir, "*", "run", "checkpoints", "*"))
		return err == nil && len(files) > 0
	}, func() string { return "no directory for checkpoints" })
	interrupt()
	<-done
	benchtest.RequireEmpty(t, dir)
}

func TestErrorForMissingInputNamesTheFlag(t *testing.T) {
	code, _, stderr := runBench(context.Background(), "-input", "no/such/file.csv")
	require.Equal(t, ExitFailed, code)
	require.Contains(t, stderr, "-input: stat no/such/file.csv")

	t.Chdir(t.TempDir())
	code, _, stderr = runBench(context.Background())
	require.Equal(t, ExitFailed, code)
	require.Contains(t, stderr, "bench/data/flights-2001-h1.csv.zst not found")
}

func TestMalformedInputFailsBeforeAnyRun(t *testing.T) {
	path, err := dataset.FindInput()
	require.NoError(t, err)
	truncated, err := os.ReadFile(path)
	require.NoError(t, err)
	dir := t.TempDir()
	input := filepath.Join(t.TempDir(), "flights.csv")
	requireError := func(input, want string) {
		code, _, stderr := runBench(context.Background(), "-input", input, "-dir", dir)
		require.Equal(t, ExitFailed, code)
		require.Contains(t, stderr, want)
		benchtest.RequireEmpty(t, dir)
	}
	const good = "2001-01-01 00:01,33,2176,LAS,PHL\n"
	for content, want := range map[string]string{
		dataset.Header + "\n":                ": no flights",
		"":                                   ": line 1: the header is",
		dataset.Header + "\n" + good + "x\n": ": line 3: the number of fields is not 5",
		dataset.Header + "\n" + strings.Repeat(good, harness.MinRecords-1): " has 31 flights, want at least 32",
	} {
		require.NoError(t, os.WriteFile(input, []byte(content), 0o600))
		requireError(input, "flights.csv"+want)
	}
	require.NoError(t, os.WriteFile(input+".zst", truncated[:1<<20], 0o600))
	requireError(input+".zst", "unexpected EOF")
}
