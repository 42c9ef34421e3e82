package lsm

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
)

// caller is the line outside of this package that opened a view or iterator. It records one
// stack frame only: each frame costs as much as a step of an iterator.
type caller [1]uintptr

// callerOf returns the line that called the exported function that calls callerOf. Every
// exported function that opens something must call it directly and pass the result on.
func callerOf() (c caller) {
	runtime.Callers(3, c[:])
	return c
}

// String returns the file and the line.
func (c caller) String() string {
	frame, _ := runtime.CallersFrames(c[:]).Next()
	return fmt.Sprintf("%s:%d", frame.File, frame.Line)
}

// leftOpen returns an ErrOpen with the places where the open views and iterators were opened.
// Prefix iterators do not record their place, because that would take a tenth of a short
// iteration.
func (p *pins) leftOpen() error {
	var places []string
	for v := range p.views {
		places = append(places, "view of "+v.opened.String())
	}
	slices.Sort(places) // views are in no order
	for _, w := range p.walks {
		if w.cursor.on {
			places = append(places, "iterator of a prefix")
		} else {
			places = append(places, "iterator of "+w.opened.String())
		}
	}
	if len(places) == 0 {
		return nil
	}
	return fmt.Errorf("%s %w: %s", countOpen(len(p.views), len(p.walks)), ErrOpen, strings.Join(places, ", "))
}

// countOpen returns the numbers of views and iterators with a verb, such as "2 views and 1
// iterator are". At least one of them is not 0.
func countOpen(views, iterators int) string {
	var counts []string
	if views > 0 {
		counts = append(counts, counted(views, "view", "views"))
	}
	if iterators > 0 {
		counts = append(counts, counted(iterators, "iterator", "iterators"))
	}
	verb := "are"
	if views+iterators == 1 {
		verb = "is"
	}
	return strings.Join(counts, " and ") + " " + verb
}
