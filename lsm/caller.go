package lsm

import (
	"fmt"
	"runtime"
	"strings"
)

// caller is where something was opened: no more of the stack than what may lie in
// this package, since each frame takes as long as a step of a walk.
type caller [2]uintptr

// callerOf is where the exported function that calls it was called.
func callerOf() (c caller) {
	runtime.Callers(3, c[:])
	return c
}

// String gives the first place outside of this package.
func (c caller) String() string {
	frames := runtime.CallersFrames(c[:])
	for {
		frame, more := frames.Next()
		inside := strings.Contains(frame.Function, "weir/lsm.") && !strings.HasSuffix(frame.File, "_test.go")
		if !more || !inside {
			return fmt.Sprintf("%s:%d", frame.File, frame.Line)
		}
	}
}

// leftOpen says where views and iterators were opened that still are, but for walks
// of a prefix: to note the place takes a tenth of a short one. The lock is held.
func (db *DB) leftOpen() error {
	var places []string
	for v := range db.views {
		places = append(places, "view of "+v.opened.String())
	}
	for _, w := range db.walks {
		if w.live.on {
			places = append(places, "iterator of a prefix")
		} else {
			places = append(places, "iterator of "+w.opened.String())
		}
	}
	if len(places) == 0 {
		return nil
	}
	return fmt.Errorf("%d views and iterators are %w: %s", len(places), ErrOpen, strings.Join(places, ", "))
}
