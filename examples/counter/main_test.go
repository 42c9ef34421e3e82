//go:build unix

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir"
	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

// asCommand is the environment variable that makes the test binary run the command.
const asCommand = "WEIR_COUNTER_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// service is a running process of the command.
type service struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines chan string // of its log; closed at its end
	base  string      // URL
}

// serve starts the command and waits until it listens.
func serve(t *testing.T, url string, shards int) *service {
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self, "-listen", "localhost:0", "-state", url, "-shards", fmt.Sprint(shards))
	cmd.Env = append(os.Environ(), asCommand+"=1")
	log, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	s := &service{t: t, cmd: cmd, lines: make(chan string, 1000)}
	go func() {
		defer close(s.lines)
		for scanner := bufio.NewScanner(log); scanner.Scan(); {
			s.lines <- scanner.Text()
		}
	}()
	_, address, _ := strings.Cut(s.await("listen on "), "listen on ")
	s.base = "http://" + address
	return s
}

// await waits for a line of the log that contains text, and returns the line.
func (s *service) await(text string) string {
	s.t.Helper()
	for line := range s.lines {
		if strings.Contains(line, text) {
			return line
		}
		require.Contains(s.t, line, "is complete", "an error in the log")
	}
	require.Fail(s.t, "the service has ended", "before a line with %q", text)
	return ""
}

// awaitCheckpoint waits for a checkpoint that contains all requests that were answered before
// the call: the second to become complete, since the first may have begun earlier.
func (s *service) awaitCheckpoint() {
	s.t.Helper()
	for len(s.lines) > 0 {
		s.await("is complete")
	}
	s.await("is complete")
	s.await("is complete")
}

// end sends a signal and waits until the process has ended.
func (s *service) end(signal syscall.Signal) error {
	s.t.Helper()
	require.NoError(s.t, s.cmd.Process.Signal(signal))
	for range s.lines { // Wait closes the pipe
	}
	return s.cmd.Wait()
}

// call makes a request and returns the count in the answer.
func (s *service) call(method, name string) (n int64, err error) {
	request, err := http.NewRequestWithContext(s.t.Context(), method, s.base+name, nil)
	if err != nil {
		return 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err
	}
	_, err = fmt.Sscan(string(text), &n)
	return n, err
}

// nameOf returns the i-th of 40 names.
func nameOf(i int) string { return fmt.Sprintf("/name-%d", i%40) }

// post makes n POST requests and adds each answered one to counts. It returns the error of the
// first request without an answer.
func (s *service) post(n int, counts map[string]int64) error {
	for i := range n {
		if _, err := s.call(http.MethodPost, nameOf(i*i)); err != nil {
			return err
		}
		counts[nameOf(i*i)]++
	}
	return nil
}

// requireCounts compares the counts of the service.
func (s *service) requireCounts(want map[string]int64) {
	s.t.Helper()
	for i := range 40 {
		got, err := s.call(http.MethodGet, nameOf(i))
		require.NoError(s.t, err)
		require.Equal(s.t, want[nameOf(i)], got, nameOf(i))
	}
}

// newest returns the counts in the newest complete checkpoint, which it reads without the
// service.
func newest(t *testing.T, url string) map[string]int64 {
	preset, err := weir.Open(t.Context(), url)
	require.NoError(t, err)
	h := &host{}
	c, err := checkpoint.NewCoordinator(t.Context(), checkpoint.Options{Job: "counter", Storage: preset.Storage})
	require.NoError(t, err)
	attempt, err := c.Begin(t.Context(), h, []checkpoint.Subtasks{{Operator: "shard", Parallelism: 1}})
	require.NoError(t, err)
	require.Empty(t, attempt.Skipped())
	backend, err := preset.Open(state.Options{Keyspace: state.WholeKeyspace(keyGroups)})
	require.NoError(t, err)
	keyed, err := state.NewKeyed(backend, names)
	require.NoError(t, err)
	value, err := state.ValueOf(keyed, state.ValueDescriptor[int64]{Name: "count", Codec: codec.Int[int64]()})
	require.NoError(t, err)
	require.NoError(t, attempt.Restore(context.Background(), backend, "shard"))
	counts := make(map[string]int64)
	for i := range 40 {
		require.NoError(t, keyed.SetKey(nameOf(i)))
		n, ok, err := value.Get()
		require.NoError(t, err)
		if ok {
			counts[nameOf(i)] = n
		}
	}
	require.NoError(t, c.Close())
	require.NoError(t, backend.Close())
	require.NoError(t, preset.Close())
	return counts
}

func TestCountsAreBackAfterAKillWithAnotherNumberOfShards(t *testing.T) {
	for _, backend := range []string{"fs", "lsm"} {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			url := backend + "+file://" + t.TempDir()
			if backend == "lsm" {
				url += "?dir=" + t.TempDir()
			}
			answered := make(map[string]int64)
			s := serve(t, url, 2)
			require.NoError(t, s.post(100, answered))
			s.awaitCheckpoint()
			safe := maps.Clone(answered)
			require.NoError(t, s.post(10, answered))
			done := make(chan error)
			go func() { done <- s.post(math.MaxInt, answered) }()
			s.awaitCheckpoint()
			require.Error(t, s.end(syscall.SIGKILL))
			require.Error(t, <-done, "the service is gone")

			counts := newest(t, url)
			total := int64(0)
			for name, n := range counts {
				require.LessOrEqual(t, n, answered[name]+1, name) // one request was counted, and killed before its answer
				total += n
			}
			for name, n := range safe {
				require.GreaterOrEqual(t, counts[name], n, name)
			}
			require.GreaterOrEqual(t, total, int64(110), "counts in the awaited checkpoint")

			s = serve(t, url, 3)
			s.requireCounts(counts)
			require.NoError(t, s.post(200, counts))
			require.NoError(t, s.end(syscall.SIGTERM))

			s = serve(t, url, 1)
			s.requireCounts(counts)
			require.NoError(t, s.end(syscall.SIGTERM))
			require.Equal(t, counts, newest(t, url), "nothing is lost by the end of the service")
		})
	}
}
