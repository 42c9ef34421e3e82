package window

import (
	"fmt"
	"iter"

	"github.com/weirstate/weir/state"
)

// maxOverlap bounds how many sliding windows an element is in.
const maxOverlap = 1 << 20

// Assigner says which windows an element is in. The zero Assigner is invalid, as
// are those made of arguments out of range; whoever is given one says so with
// state.ErrInvalid. All arguments are in the unit of event times.
type Assigner struct {
	size, slide, offset int64
	session             bool
}

// Tumbling divides time into windows of one size, from 1. One of them begins at
// the offset.
func Tumbling(size, offset int64) Assigner { return Sliding(size, size, offset) }

// Sliding begins a window of a size every slide, so that windows overlap. One of
// them begins at the offset. Slide is from 1 to size: a larger one would lose
// what is between two windows. An element may be in 2^20 windows at the most.
func Sliding(size, slide, offset int64) Assigner {
	return Assigner{size: size, slide: slide, offset: offset}
}

// Session makes windows of what is close together: an element at time t is in
// [t, t+gap), with a gap from 1, and the windows of a key that overlap or touch
// are one.
func Session(gap int64) Assigner { return Assigner{size: gap, slide: gap, session: true} }

func (a Assigner) validate() error {
	switch {
	case a.size < 1:
		return fmt.Errorf("a size or gap of %d, must be 1 or more: %w", a.size, state.ErrInvalid)
	case a.slide < 1 || a.slide > a.size:
		return fmt.Errorf("a slide of %d, must be 1 to the size of %d: %w", a.slide, a.size, state.ErrInvalid)
	case (a.size-1)/a.slide >= maxOverlap:
		return fmt.Errorf("a slide of %d with a size of %d, more than %d windows overlap: %w",
			a.slide, a.size, maxOverlap, state.ErrInvalid)
	}
	return nil
}

// windows yields the windows that a time is in, the one that begins last first.
func (a Assigner) windows(t int64) iter.Seq[Window] {
	return func(yield func(Window) bool) {
		for since := a.sinceStart(t); ; since += a.slide {
			left := a.size - since
			if !yield(Window{earlier(t, since), later(t, left)}) || left <= a.slide {
				return
			}
		}
	}
}

// sinceStart is for how long, at time t, the latest window has gone on: 0 to
// slide-1. The numbers are reduced before they are subtracted: their difference
// may be more than an int64 holds.
func (a Assigner) sinceStart(t int64) int64 {
	return floorMod(floorMod(t, a.slide)-floorMod(a.offset, a.slide), a.slide)
}

// floorMod is t modulo n, 0 to n-1 also below zero.
func floorMod(t, n int64) int64 {
	if t %= n; t < 0 {
		t += n
	}
	return t
}

// element is the session of an element alone.
func (a Assigner) element(t int64) Window { return Window{t, later(t, a.size)} }
