package servers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const (
	// startTimeout is the time that a server has until it answers. A JVM on a loaded machine with
	// two cores needs 20 s.
	startTimeout = 90 * time.Second
	// stopTimeout is the time from SIGTERM to SIGKILL.
	stopTimeout = 10 * time.Second
	// pollPeriod is the time between two checks whether a server answers.
	pollPeriod = 50 * time.Millisecond
)

// Process is a server as an operating system process. The process is a child of this program and ends with
// it, however this program ends (on Linux). It is the leader of its own process group, so a Ctrl-C in a terminal
// does not reach it.
//
// Thread safety: safe for concurrent use.
type Process struct {
	name    string // for messages
	log     string // path of the file with standard output and standard error
	program string
	args    []string
	env     []string // in addition to the environment of this program
	ready   func(context.Context) error

	mu      sync.Mutex
	command *exec.Cmd     // nil if the process does not run
	ended   chan struct{} // closed once the process of command has ended
}

// Start starts the process, and waits until it answers. The process must not run.
func (p *Process) Start(ctx context.Context) error {
	if err := p.launch(); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := p.awaitReady(ctx); err != nil {
		return errors.Join(fmt.Errorf("%s: %w\n%s", p.name, err, p.LogTail()), p.Stop())
	}
	return nil
}

// launch starts the process and a goroutine that waits for its end.
func (p *Process) launch() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.command != nil {
		return errors.New("the process runs already")
	}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	command := exec.Command(p.program, p.args...)
	command.Dir = filepath.Dir(p.log)
	command.Env = append(os.Environ(), p.env...)
	command.Stdout, command.Stderr = log, log
	if err := startChild(command); err != nil {
		return err
	}
	ended := make(chan struct{})
	p.command, p.ended = command, ended
	go func() {
		_ = command.Wait() // how it ended is in its log
		close(ended)
	}()
	return nil
}

// awaitReady waits until the process answers. It returns an error if the process ends first.
func (p *Process) awaitReady(ctx context.Context) error {
	p.mu.Lock()
	ended := p.ended
	p.mu.Unlock()
	for {
		err := p.ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ended:
			return errors.New("the process has ended before it answered")
		case <-ctx.Done():
			return fmt.Errorf("no answer: %w (%w)", err, ctx.Err())
		case <-time.After(pollPeriod):
		}
	}
}

// Stop ends the process with SIGTERM, and with SIGKILL if that does not end it in 10 s. It
// does nothing if the process does not run.
func (p *Process) Stop() error { return p.end(syscall.SIGTERM) }

// Kill ends the process with SIGKILL and waits until it has ended. It does nothing if the
// process does not run.
func (p *Process) Kill() error { return p.end(syscall.SIGKILL) }

// Pause stops the process with SIGSTOP: it keeps its connections and does not answer.
func (p *Process) Pause() error { return p.signal(syscall.SIGSTOP) }

// Resume continues a process after Pause.
func (p *Process) Resume() error { return p.signal(syscall.SIGCONT) }

// PID returns the number of the process, or 0 if the process does not run.
func (p *Process) PID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.command == nil {
		return 0
	}
	return p.command.Process.Pid
}

func (p *Process) signal(s syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.command == nil {
		return fmt.Errorf("%s: the process does not run", p.name)
	}
	return p.command.Process.Signal(s)
}

func (p *Process) end(s syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.command == nil {
		return nil
	}
	if err := p.command.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	// A paused process handles SIGTERM only after SIGCONT.
	if err := p.command.Process.Signal(syscall.SIGCONT); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	select {
	case <-p.ended:
	case <-time.After(stopTimeout):
		_ = p.command.Process.Kill() // fails only if the process has ended
		<-p.ended
	}
	p.command = nil
	return nil
}

// LogTail returns the end of the log of the server.
func (p *Process) LogTail() string {
	const tailBytes = 4 << 10
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	if len(text) > tailBytes {
		text = text[len(text)-tailBytes:]
		_, text, _ = bytes.Cut(text, []byte{'\n'})
	}
	return fmt.Sprintf("end of the log of %s:\n%s", p.name, text)
}

// javaTemp returns the argument of java by which temporary files, such as those of Jetty, are in the directory
// of the server, and are removed with it.
func javaTemp(dir string) string { return "-Djava.io.tmpdir=" + dir }

// FreePort returns a TCP port of 127.0.0.1 on which no server listens now.
func FreePort() (int, error) {
	ports, err := FreePorts(1)
	if err != nil {
		return 0, err
	}
	return ports[0], nil
}

// FreePorts returns n different ports.
func FreePorts(n int) (ports []int, err error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close() // at the end, so that all ports are different
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// isFree reports whether a server could listen on a port of 127.0.0.1.
func isFree(port int) bool {
	l, err := net.Listen("tcp", Local(port))
	if err != nil {
		return false
	}
	return l.Close() == nil
}

// FreePortNear returns port if it is free, and otherwise any free port.
func FreePortNear(port int) (int, error) {
	if isFree(port) {
		return port, nil
	}
	return FreePort()
}

// Local returns the address of a port on loopback.
func Local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
