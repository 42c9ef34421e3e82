//go:build unix

package pages

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The service of the page is built from the page, killed, and started again.
func TestGettingStartedRunsAsItSays(t *testing.T) {
	t.Parallel()
	blocks, err := Read(filepath.Join(root, "docs", "getting-started.md"))
	require.NoError(t, err)
	s := &session{t: t, module: newModule(t), state: t.TempDir()}
	sessions := 0
	for _, b := range blocks {
		switch b.Kind {
		case "go":
			requireFormatted(t, b)
			s.module.write(b.Name, b.Text)
		case "console":
			sessions++
			for _, c := range b.Commands() {
				s.run(c)
			}
		}
	}
	require.Greater(t, sessions, 4)

	// The page says that Ctrl-C loses nothing.
	require.NoError(t, s.service.Process.Signal(os.Interrupt))
	s.awaitEnd()
	require.NoError(t, s.service.Wait())
	s.run(Command{"./counter -state 'lsm+file:///tmp/counter'", "start from checkpoint 1, listen on 127.0.0.1:8080\n"})
	s.run(Command{"curl localhost:8080/JFK", "3\n"})
	require.NoError(t, s.service.Process.Kill())
	s.awaitEnd()
	require.Error(t, s.service.Wait())
}

// session runs the commands of the page.
type session struct {
	t       *testing.T
	module  *module
	program string
	state   string // directory that stands for /tmp/counter
	service *exec.Cmd
	lines   chan string // log of the service; closed at its end
	address string
}

// run runs a command and compares its output with the page.
func (s *session) run(c Command) {
	s.t.Helper()
	words := strings.Fields(strings.ReplaceAll(c.Line, "'", ""))
	switch words[0] {
	case "go":
		s.program = s.module.build()
	case "./counter":
		s.start(words[1:], c.Output)
	case "curl":
		require.Equal(s.t, c.Output, s.request(words[1:]), c.Line)
	case "pkill":
		s.awaitCheckpoint()
		require.NoError(s.t, s.service.Process.Kill())
		s.awaitEnd()
		require.Error(s.t, s.service.Wait())
	default:
		require.Fail(s.t, "unknown command", c.Line)
	}
}

// start starts the service and compares the first lines of its log with the page. Numbers may
// differ.
func (s *session) start(args []string, output string) {
	s.t.Helper()
	if len(args) == 0 {
		args = []string{"-state", "fs+file:///tmp/counter"}
	}
	args[1] = strings.Replace(args[1], "/tmp/counter", s.state, 1)
	s.service = exec.CommandContext(s.t.Context(), s.program, append(args, "-listen", "127.0.0.1:0")...)
	log, err := s.service.StderrPipe()
	require.NoError(s.t, err)
	require.NoError(s.t, s.service.Start())
	lines := make(chan string, 1000)
	s.lines = lines
	go func() {
		defer close(lines)
		for scanner := bufio.NewScanner(log); scanner.Scan(); {
			lines <- scanner.Text()
		}
	}()
	for want := range strings.Lines(output) {
		got := <-lines
		require.Equal(s.t, maskNumbers(strings.TrimSpace(want)), maskNumbers(got))
		if _, address, ok := strings.Cut(got, "listen on "); ok {
			s.address = address
		}
	}
}

var digits = regexp.MustCompile(`[0-9]+`)

func maskNumbers(text string) string { return digits.ReplaceAllString(text, "#") }

// awaitCheckpoint waits for a checkpoint that was triggered after the call: the second to
// become complete, since the first may have been triggered earlier.
func (s *session) awaitCheckpoint() {
	s.t.Helper()
	for len(s.lines) > 0 {
		<-s.lines
	}
	for range 2 {
		require.Contains(s.t, <-s.lines, "is complete")
	}
}

// awaitEnd waits for the end of the service's log.
func (s *session) awaitEnd() {
	for range s.lines { // to its end
	}
}

// request makes the request of a curl command and returns the answer.
func (s *session) request(args []string) string {
	s.t.Helper()
	method := http.MethodGet
	if args[0] == "-X" {
		method, args = args[1], args[2:]
	}
	url := "http://" + strings.Replace(args[0], "localhost:8080", s.address, 1)
	request, err := http.NewRequestWithContext(s.t.Context(), method, url, nil)
	require.NoError(s.t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(s.t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(s.t, err)
	return string(text)
}
