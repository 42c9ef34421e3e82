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

// process is the parent's handle of a child.
//
// Thread safety: one goroutine.
type process struct {
	command  *exec.Cmd
	stdin    io.WriteCloser
	messages *json.Decoder
	stderr   bytes.Buffer
	waited   bool
}

// startProcess starts this program again as a child. It is killed when the
// context ends; close must be called in any case.
func startProcess(ctx context.Context, o request) (*process, error) {
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
	if err := json.NewEncoder(p.stdin).Encode(o); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

// next returns the next message of the child. It fails if the child ends or fails.
func (p *process) next() (m message, err error) {
	if err := p.messages.Decode(&m); err != nil {
		return m, fmt.Errorf("the child process has ended: %w%s", errors.Join(err, p.close()), p.complaint())
	}
	if m.Error != "" {
		return m, errors.New(m.Error)
	}
	return m, nil
}

// complaint returns the beginning of the child's standard error, where panics go.
func (p *process) complaint() string {
	const most = 2000
	text := bytes.TrimSpace(p.stderr.Bytes())
	if len(text) == 0 {
		return ""
	}
	return fmt.Sprintf("\n%s", text[:min(len(text), most)])
}

// kill kills the child (SIGKILL) and passes on the messages that it had sent before.
func (p *process) kill(note func(message) error) error {
	if err := p.command.Process.Kill(); err != nil {
		return err
	}
	for {
		var m message
		if p.messages.Decode(&m) != nil {
			break // the last message may be cut off
		}
		if err := note(m); err != nil {
			return err
		}
	}
	if p.wait() == nil {
		return errors.New("the child ended before it could be killed")
	}
	if complaint := p.complaint(); complaint != "" {
		return fmt.Errorf("the child complained before it was killed%s", complaint)
	}
	return nil
}

// finish ends a child that is done.
func (p *process) finish() error {
	if err := errors.Join(p.stdin.Close(), p.wait()); err != nil {
		return fmt.Errorf("%w%s", err, p.complaint())
	}
	return nil
}

// close kills the child if it still runs.
func (p *process) close() error {
	if p.waited {
		return nil
	}
	err := p.command.Process.Kill()
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	_ = p.wait() // the error is that it was killed
	return err
}

func (p *process) wait() error {
	p.waited = true
	return p.command.Wait()
}

// cpu returns the processor time, on all cores, of a child that has ended.
func (p *process) cpu() time.Duration {
	return p.command.ProcessState.UserTime() + p.command.ProcessState.SystemTime()
}

// peakRSS returns the peak resident memory of the child in bytes, 0 if the system does not
// report it. The child must not have ended: after that Linux reports a peak that includes
// the parent's memory at the start of the child.
func (p *process) peakRSS() uint64 { return peakRSS(p.command.Process.Pid) }
