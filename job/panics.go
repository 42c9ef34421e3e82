package job

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
)

// recoverPanics calls call, which may call functions of the program. It returns ErrPanic
// after a panic.
func recoverPanics(call func() error) (err error) {
	returned := false
	defer func() {
		if !returned {
			recover() //nolint:errcheck // the value of the panic may be data
			err = fmt.Errorf("%w at %s", ErrPanic, panicLocation())
		}
	}()
	err = call()
	returned = true
	return err
}

// callGuarded calls call on a new goroutine and waits for it. It returns ErrPanic after a
// panic, and also if call ends its goroutine with runtime.Goexit.
func callGuarded(call func() error) error {
	err := ErrPanic
	done := make(chan struct{})
	go func() {
		defer close(done)
		err = recoverPanics(call)
	}()
	<-done
	return err
}

// endCause returns the cause of the end of ctx, and nil before the end. Loops call it
// between two elements and between two timers: elements of a batch may be slow, and a timer
// may register another one without end.
func endCause(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return context.Cause(ctx)
}

// panicLocation returns the file and line of the panic that the caller recovers from.
func panicLocation() string {
	callers := make([]uintptr, 64)
	frames := runtime.CallersFrames(callers[:runtime.Callers(0, callers)])
	location, panicSeen := "an unknown place", false
	for {
		frame, more := frames.Next()
		switch {
		case frame.Function == "runtime.gopanic" || frame.Function == "runtime.Goexit":
			panicSeen = true
		case panicSeen && !strings.HasPrefix(frame.Function, "runtime."):
			return fmt.Sprintf("%s:%d", filepath.Base(frame.File), frame.Line)
		}
		if !more {
			return location
		}
	}
}
