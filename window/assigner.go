package window

import (
	"fmt"
	"iter"

	"github.com/weirstate/weir/state"
)

// maxOverlap is the largest number of sliding windows that contain one time.
const maxOverlap = 1 << 20

// Assigner chooses the windows of an element. Make one with Tumbling, Sliding or Session.
// Aggregate and List return state.ErrInvalidOption for the zero Assigner and for arguments out of
// range. All arguments have the unit of event times.
//
//	time               0         10        20        30
//	Tumbling(10, 0)    [────────)[────────)[────────)
//	Sliding(10, 5, 0)  [────────)[────────)[────────)
//	                   ────)[────────)[────────)[────
//	elements           ×    ×           ×
//	Session(6)         [─────────)      [────)
//
// The session of an element at time t is [t, t+6); sessions that overlap or touch merge.
type Assigner struct {
	size, slide, offset int64
	session             bool
}

// Tumbling returns an assigner of windows with a size of 1 or more that do not overlap. One
// of them begins at offset.
func Tumbling(size, offset int64) Assigner { return Sliding(size, size, offset) }

// Sliding returns an assigner of windows of one size that begin at intervals of slide. One
// of them begins at offset. Slide is from 1 to size, since a larger one would leave times
// between two windows. An element may be in at most 2^20 windows.
func Sliding(size, slide, offset int64) Assigner {
	return Assigner{size: size, slide: slide, offset: offset}
}

// Session returns an assigner of sessions. An element at time t is in [t, t+gap), with a gap
// of 1 or more, and windows of a key that overlap or touch merge into one.
func Session(gap int64) Assigner { return Assigner{size: gap, slide: gap, session: true} }

func (a Assigner) validate() error {
	switch {
	case a.size < 1:
		return fmt.Errorf("window size or session gap is %d: want 1 or more: %w", a.size, state.ErrInvalidOption)
	case a.slide < 1 || a.slide > a.size:
		return fmt.Errorf("window slide is %d: want 1 to the size, %d: %w", a.slide, a.size, state.ErrInvalidOption)
	case (a.size-1)/a.slide >= maxOverlap:
		return fmt.Errorf("window slide is %d with size %d: want at most %d windows for one time: %w",
			a.slide, a.size, maxOverlap, state.ErrInvalidOption)
	}
	return nil
}

// windows returns an iterator over the windows that contain time t, in order of descending
// start.
func (a Assigner) windows(t int64) iter.Seq[Window] {
	return func(yield func(Window) bool) {
		for age := a.ageOfNewest(t); ; age += a.slide {
			left := a.size - age
			if !yield(Window{subClamped(t, age), addClamped(t, left)}) || left <= a.slide {
				return
			}
		}
	}
}

// ageOfNewest returns the time from the start of the newest window at time t to t: 0 to
// slide-1. It reduces t and the offset before it subtracts them, because their difference
// may overflow.
func (a Assigner) ageOfNewest(t int64) int64 {
	return floorMod(floorMod(t, a.slide)-floorMod(a.offset, a.slide), a.slide)
}

// floorMod returns t modulo n in 0 to n-1, also for negative t.
func floorMod(t, n int64) int64 {
	if t %= n; t < 0 {
		t += n
	}
	return t
}

// elementWindow returns the session of a single element at time t.
func (a Assigner) elementWindow(t int64) Window { return Window{t, addClamped(t, a.size)} }
