package job

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
)

// guard calls what may call functions of the program, and makes ErrPanic of a
// panic.
func guard(call func() error) (err error) {
	returned := false
	defer func() {
		if !returned {
			recover() //nolint:errcheck // its text may quote data
			err = fmt.Errorf("%w at %s", ErrPanic, panicked())
		}
	}()
	err = call()
	returned = true
	return err
}

// apart is guard on a goroutine of its own: what ends that does not end the
// caller's.
func apart(call func() error) error {
	err := ErrPanic
	done := make(chan struct{})
	go func() {
		defer close(done)
		err = guard(call)
	}()
	<-done
	return err
}

// ended returns the cause of the end of a context, nil before it. It is asked between
// two elements and two timers, since a batch of slow ones, or a timer that registers
// the next, may take for ever.
func ended(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return context.Cause(ctx)
}

// panicked is the place of the panic that is being recovered from.
func panicked() string {
	callers := make([]uintptr, 64)
	frames := runtime.CallersFrames(callers[:runtime.Callers(0, callers)])
	place, above := "an unknown place", false
	for {
		frame, more := frames.Next()
		switch {
		case frame.Function == "runtime.gopanic" || frame.Function == "runtime.Goexit":
			above = true
		case above && !strings.HasPrefix(frame.Function, "runtime."):
			return fmt.Sprintf("%s:%d", filepath.Base(frame.File), frame.Line)
		}
		if !more {
			return place
		}
	}
}
