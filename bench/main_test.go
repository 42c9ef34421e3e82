package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/await"
	"github.com/weirstate/weir/internal/bench/benchtest"
	"github.com/weirstate/weir/internal/bench/command"
	"github.com/weirstate/weir/internal/bench/harness"
)

// programArgument, as the first argument, makes the test binary run main.
const programArgument = "-program"

// TestMain lets the test binary run as a child process of the harness, and as the program.
func TestMain(m *testing.M) {
	harness.ServeIfChild()
	if len(os.Args) > 1 && os.Args[1] == programArgument {
		os.Args = slices.Delete(os.Args, 1, 2)
		main()
	}
	os.Exit(m.Run())
}

// program returns a command that runs bench with its files in dir.
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

func TestBenchRemovesItsFilesAfterASignal(t *testing.T) {
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		dir := t.TempDir()
		p := program(t, dir, "-checkpoint-every", "1m", "-storage", "file")
		require.NoError(t, p.Start())
		await.True(t, func() bool {
			files, err := filepath.Glob(filepath.Join(dir, "*", "run", "checkpoints", "*"))
			return err == nil && len(files) > 0
		}, func() string { return "no directory for checkpoints" })
		require.NoError(t, p.Process.Signal(signal))
		require.Error(t, p.Wait())
		require.Equal(t, command.ExitInterrupted, p.ProcessState.ExitCode(), signal)
		benchtest.RequireEmpty(t, dir)
	}
}

func TestBenchRemovesItsFilesAfterABrokenPipe(t *testing.T) {
	dir := t.TempDir()
	p := program(t, dir, "-checkpoint-every", "5ms", "-storage", "memory")
	var stderr bytes.Buffer
	p.Stderr = &stderr
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	require.NoError(t, reader.Close())
	p.Stdout = writer
	require.Error(t, p.Run())
	require.NoError(t, writer.Close())
	require.Equal(t, command.ExitFailed, p.ProcessState.ExitCode())
	require.Contains(t, stderr.String(), "broken pipe")
	benchtest.RequireEmpty(t, dir)
}
