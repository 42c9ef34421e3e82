//go:build unix

package main

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// asCommand is the environment variable that makes the test binary run the command.
const asCommand = "WEIR_JSONLINES_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// command returns the command with its state in a directory of the test.
func command(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	args = append([]string{"-key", "k", "-time", "t", "-value", "v", "-state", "fs+file://" + dir}, args...)
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), asCommand+"=1")
	return cmd
}

// lines returns n lines of input. Times are seconds; they go back by less than a minute.
func lines(n, seed int) string {
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, `{"k": "key-%d", "t": %d, "v": %d}`+"\n", (i*7+seed)%11, i*10-(i*i+seed)%40+100, i%13)
	}
	return text.String()
}

// sorted returns the lines of a text in order.
func sorted(text string) []string {
	lines := strings.Split(text, "\n")
	slices.Sort(lines)
	return lines
}

// whole returns the result of an uninterrupted run over files.
func whole(t *testing.T, files ...string) []string {
	t.Helper()
	out, err := command(t, t.TempDir(), append([]string{"-progress", "0"}, files...)...).Output()
	require.NoError(t, err)
	require.Greater(t, bytes.Count(out, []byte("\n")), 10)
	return sorted(string(out))
}

func write(t *testing.T, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "input.jsonl")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// process is a run that reads standard input from the test.
type process struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	log chan string // closed at its end
}

func start(t *testing.T, dir string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: command(t, dir, args...), log: make(chan string, 10000)}
	var err error
	p.in, err = p.cmd.StdinPipe()
	require.NoError(t, err)
	log, err := p.cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	go func() {
		defer close(p.log)
		for scanner := bufio.NewScanner(log); scanner.Scan(); {
			p.log <- scanner.Text()
		}
	}()
	return p
}

// await waits for a line of the log with all texts.
func (p *process) await(texts ...string) {
	p.t.Helper()
	var seen []string
	for line := range p.log {
		seen = append(seen, line)
		if !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(line, text) }) {
			return
		}
	}
	require.Fail(p.t, "the log has no such line", "%q: %s", texts, strings.Join(seen, "\n"))
}

// status waits for the end and returns the exit status, -1 after a signal.
func (p *process) status() int {
	for range p.log { // Wait closes the pipe
	}
	p.cmd.Wait()
	return p.cmd.ProcessState.ExitCode()
}

func TestInterruptedRunContinuesWithTheSameResult(t *testing.T) {
	input := lines(6000, 1)
	want := whole(t, write(t, input))
	for _, backend := range []string{"fs", "lsm"} {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			dir, out := t.TempDir(), filepath.Join(t.TempDir(), "out.jsonl")
			args := []string{"-every", "50ms", "-progress", "50ms", "-out", out, "-state", backend + "+file://" + dir}

			first := start(t, dir, append(args, "-parallel", "1")...)
			io.WriteString(first.in, input[:len(input)/3])
			first.await(" lines", "checkpoint ")
			require.NoError(t, first.cmd.Process.Signal(syscall.SIGINT))
			first.await("stopped at checkpoint")
			require.Equal(t, exitInterrupted, first.status())

			second := start(t, dir, append(args, "-parallel", "3")...)
			io.WriteString(second.in, input[:len(input)*2/3])
			second.await("continue from checkpoint")
			second.await(" lines", "checkpoint ")
			second.await(" lines", "checkpoint ")
			require.NoError(t, second.cmd.Process.Signal(syscall.SIGKILL))
			require.Equal(t, -1, second.status())

			third := start(t, dir, append(args, "-parallel", "2")...)
			io.WriteString(third.in, input)
			require.NoError(t, third.in.Close())
			third.await("continue from checkpoint")
			third.await("done: 6000 lines, 0 late, 0 skipped")
			require.Zero(t, third.status())
			got, err := os.ReadFile(out)
			require.NoError(t, err)
			require.Equal(t, want, sorted(string(got)))

			left, err := filepath.Glob(filepath.Join(dir, "jsonlines", "completed", "*"))
			require.NoError(t, err)
			require.Empty(t, left, "checkpoints of a job that has finished")
		})
	}
}

func TestFilesAreReadInParallel(t *testing.T) {
	a, b := lines(2000, 1), lines(2000, 2)
	want := whole(t, write(t, a), write(t, b))
	out, err := command(t, t.TempDir(), "-parallel", "1", write(t, b), write(t, a)).Output()
	require.NoError(t, err)
	require.Equal(t, want, sorted(string(out)))
}

func TestWrongLineIsAnErrorOrSkipped(t *testing.T) {
	input := write(t, "{\"k\": \"a\", \"t\": 1, \"v\": 2}\n{\"k\": \"a\", \"t\": \"noon\", \"v\": 2}\n\n{\"k\": 3}\nnot JSON")
	cmd := command(t, t.TempDir(), input)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	require.Error(t, cmd.Run())
	require.Equal(t, 1, cmd.ProcessState.ExitCode())
	require.Contains(t, stderr.String(), input+`: line at byte 27: field "t" is neither an RFC 3339 time nor a number of seconds`)

	stderr.Reset()
	cmd = command(t, t.TempDir(), "-skip", input)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err)
	require.Equal(t, `{"key":"a","from":"1970-01-01T00:00:00Z","lines":1,"sum":2,"min":2,"max":2}`+"\n", string(out))
	require.Contains(t, stderr.String(), "done: 1 lines, 0 late, 3 skipped")
}

func TestCheckpointOfOtherInputIsRefused(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir, "-every", "50ms", "-progress", "50ms")
	io.WriteString(p.in, lines(2000, 1))
	p.await(" lines", "checkpoint ")
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGINT))
	require.Equal(t, exitInterrupted, p.status())

	cmd := command(t, dir, write(t, lines(10, 1)))
	var stderr strings.Builder
	cmd.Stderr = &stderr
	require.Error(t, cmd.Run())
	require.Contains(t, stderr.String(), "start the same command again, or remove the checkpoints")

	shorter := start(t, dir)
	io.WriteString(shorter.in, "{}\n")
	require.NoError(t, shorter.in.Close())
	shorter.await("standard input has 3 bytes, and ")
	require.Equal(t, 1, shorter.status())
}

func TestHelpExplainsEveryFlag(t *testing.T) {
	var help strings.Builder
	_, err := parseOptions([]string{"-help"}, &help)
	require.ErrorIs(t, err, flag.ErrHelp)
	for _, name := range []string{"key", "time", "value", "window", "disorder", "skip", "out", "state", "every", "progress", "parallel"} {
		require.Contains(t, help.String(), "\n  -"+name)
	}
	for _, args := range [][]string{{}, {"-key", "k"}, {"-key", "k", "-time", "t", "-every", "0"}, {"-key", "k", "-time", "t", "-window", "1us"}} {
		_, err := parseOptions(args, io.Discard)
		require.Error(t, err)
	}
}

func TestReadmeShowsTheOutput(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	_, session, ok := strings.Cut(string(readme), "$ go run ./examples/jsonlines ")
	require.True(t, ok)
	line, output, _ := strings.Cut(session, "\n")
	output, _, _ = strings.Cut(output, "```")
	cmd := exec.CommandContext(t.Context(), self, strings.Fields(line)...)
	cmd.Dir = filepath.Join("..", "..")
	cmd.Env = append(os.Environ(), asCommand+"=1")
	cmd.Args = append(cmd.Args[:1], append([]string{"-state", "memory:"}, cmd.Args[1:]...)...)
	got, err := cmd.Output()
	require.NoError(t, err)
	require.Equal(t, output, string(got))
}
