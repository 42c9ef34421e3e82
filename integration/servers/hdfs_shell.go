package servers

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/weirstate/weir/integration/hadoop"
)

// Shell runs commands of hdfs dfs in one JVM and measures their time.
//
// Thread safety: one goroutine.
type Shell struct {
	command *exec.Cmd
	stdin   io.WriteCloser
	answers *bufio.Reader
	stderr  bytes.Buffer
}

// StartShell starts a shell for the NameNode at an address. Its configuration is written to dir, which must
// exist. The shell ends with ctx.
func (i Installation) StartShell(ctx context.Context, dir, address string) (*Shell, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	h := &HDFS{Address: address, installation: i, dir: dir}
	if err := h.configure([]int{n, 0, 0, 0, 0}); err != nil {
		return nil, err
	}
	program := filepath.Join(dir, "Timed.java")
	if err := os.WriteFile(program, []byte(hadoop.Timed), 0o600); err != nil {
		return nil, err
	}
	s := &Shell{command: h.java(ctx, program)}
	s.command.Stderr = &s.stderr
	if s.stdin, err = s.command.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := s.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s.answers = bufio.NewReader(out)
	return s, s.command.Start()
}

// Run runs a command, such as -ls and /, and returns its time.
func (s *Shell) Run(args ...string) (time.Duration, error) {
	s.stderr.Reset()
	if _, err := fmt.Fprintln(s.stdin, strings.Join(args, "\t")); err != nil {
		return 0, err
	}
	line, err := s.answers.ReadString('\n')
	if err != nil {
		return 0, fmt.Errorf("hdfs dfs %s: %w\n%s", args[0], err, s.stderr.Bytes())
	}
	var code int
	var nanos int64
	if _, err := fmt.Sscan(line, &code, &nanos); err != nil {
		return 0, err
	}
	if code != 0 {
		return 0, fmt.Errorf("hdfs dfs %s: exit code %d\n%s", args[0], code, s.stderr.Bytes())
	}
	return time.Duration(nanos), nil
}

// Close ends the shell.
func (s *Shell) Close() error { return errors.Join(s.stdin.Close(), s.command.Wait()) }
