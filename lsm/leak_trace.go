package lsm

import (
	"fmt"
	"runtime"
	"strings"
)

// caller is the line outside of this package that opened something. One frame of the
// stack is all that it takes: each one costs as much as a step of a walk.
type caller [1]uintptr

// callerOf returns the line that called the exported function which calls it. Every
// exported function that opens something calls it itself, and hands the result down.
func callerOf() (c caller) {
	runtime.Callers(3, c[:])
	return c
}

// String returns the file and the line.
func (c caller) String() string {
	frame, _ := runtime.CallersFrames(c[:]).Next()
	return fmt.Sprintf("%s:%d", frame.File, frame.Line)
}

// leftOpen returns where views and iterators were opened that still are, but for walks
// of a prefix: to note the place takes a tenth of a short one.
func (p *pins) leftOpen() error {
	var places []string
	for v := range p.views {
		places = append(places, "view of "+v.opened.String())
	}
	for _, w := range p.walks {
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
