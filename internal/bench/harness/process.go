package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// process is a child process, seen from its parent.
//
// Thread safety: not safe for concurrent use.
type process struct {
	command  *exec.Cmd
	stdin    io.WriteCloser
	messages *json.Decoder
	stderr   bytes.Buffer
	waited   bool // wait was called
}

// startProcess starts this program again as a child process and sends it the request. The
// child is killed when ctx ends. The caller must call close.
func startProcess(ctx context.Context, r request) (*process, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{command: exec.CommandContext(ctx, program, childArgument)}
	p.command.Stderr = &p.stderr
	if p.stdin, err = p.command.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.command.Start(); err != nil {
		return nil, err
	}
	p.messages = json.NewDecoder(stdout)
	if err := json.NewEncoder(p.stdin).Encode(r); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

// next returns the next message of the child. It returns an error if the child has ended or
// has sent an error.
func (p *process) next() (m message, err error) {
	if err := p.messages.Decode(&m); err != nil {
		return m, fmt.Errorf("the child process has ended: %w%s", errors.Join(err, p.close()), p.stderrText())
	}
	if m.Error != "" {
		return m, errors.New(m.Error)
	}
	return m, nil
}

// stderrText returns the beginning of the child's standard error, such as a panic, on a line
// of its own. It returns "" if the child has written nothing.
func (p *process) stderrText() string {
	const maxBytes = 2000
	text := bytes.TrimSpace(p.stderr.Bytes())
	if len(text) == 0 {
		return ""
	}
	return fmt.Sprintf("\n%s", text[:min(len(text), maxBytes)])
}

// kill kills the child (SIGKILL) and calls handle for the messages that the child has sent and
// next has not returned.
func (p *process) kill(handle func(message) error) error {
	if err := p.command.Process.Kill(); err != nil {
		return err
	}
	for {
		var m message
		if p.messages.Decode(&m) != nil {
			break // the end, perhaps in the middle of a message
		}
		if err := handle(m); err != nil {
			return err
		}
	}
	if p.wait() == nil {
		return errors.New("the child process exited before it was killed")
	}
	if text := p.stderrText(); text != "" {
		return fmt.Errorf("the child process wrote to standard error before it was killed:%s", text)
	}
	return nil
}

// finish lets a child that is done exit, and waits for it.
func (p *process) finish() error {
	if err := errors.Join(p.stdin.Close(), p.wait()); err != nil {
		return fmt.Errorf("%w%s", err, p.stderrText())
	}
	return nil
}

// close kills the child if it still runs. It may be called again.
func (p *process) close() error {
	if p.waited {
		return nil
	}
	err := p.command.Process.Kill()
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	_ = p.wait() // the error says only that the child was killed
	return err
}

func (p *process) wait() error {
	p.waited = true
	return p.command.Wait()
}

// cpu returns the CPU time of the child on all cores. The child must have ended.
func (p *process) cpu() time.Duration {
	return p.command.ProcessState.UserTime() + p.command.ProcessState.SystemTime()
}

// peakRSS returns the peak resident memory of the child in bytes, or 0 if the system does not
// report it. The child must still run: the peak that Linux reports for an ended process
// includes the memory of the parent at the time of the fork.
func (p *process) peakRSS() uint64 { return peakRSS(p.command.Process.Pid) }
