package lsm

import (
	"bytes"
	"errors"
	"math"

	"github.com/weirstate/weir/lsm/internal/version"
)

// An iterator that goes backward has in from the key that it stands at, or that it was told
// to go below, and a zero; from is empty at the end of all keys. A turn, a write under a
// cursor and a flush under a scan seek from there.

// moveToLast goes to the last key and reports whether it exists.
func (w *walk) moveToLast() bool {
	if !w.enter() {
		return false
	}
	defer w.leave()
	w.seekBelow(w.within.To)
	return w.stepDown()
}

// moveBack goes to the key before the current one, or to the last, and reports whether it
// exists.
func (w *walk) moveBack() bool {
	stood := w.valid
	if !w.enter() {
		return false
	}
	defer w.leave()
	switch {
	case stood && !w.down:
		w.turnDown()
	case stood:
		w.followDown()
	case !w.down: // it has not begun, or is at the end
		w.seekBelow(w.within.To)
	default:
		return false
	}
	return w.stepDown()
}

// seekBelow goes behind the last key below another, nil for the end of all keys.
func (w *walk) seekBelow(key []byte) {
	w.begun, w.down = true, true
	if w.from = append(w.from[:0], key...); key != nil {
		w.from = append(w.from, 0)
	}
	switch {
	case w.live.on:
		w.rebuild()
	case w.stale.Load():
		w.reopenScan()
	}
	w.merger.SeekBelow(w.bound())
}

// bound returns the key below which the walk goes on downward, nil for the end.
func (w *walk) bound() []byte {
	if len(w.from) == 0 {
		return nil
	}
	return w.last()
}

// turnDown makes a walk that stands at a key go backward from it.
func (w *walk) turnDown() {
	if !w.live.on {
		w.from = append(append(w.from[:0], w.merger.Key...), 0)
	}
	w.seekBelow(w.last())
}

// turnUp makes a walk go forward again, from the key that it stood at, or from the
// beginning if it had passed that.
func (w *walk) turnUp(stood bool) {
	if stood {
		w.seek(w.from)
	} else {
		w.seek(w.within.From)
	}
}

// followDown brings the sources up to date, and leaves the key where the walk stands.
func (w *walk) followDown() {
	switch {
	case w.live.on && !w.isUpToDate():
		w.rebuild()
		w.merger.SeekBelow(w.last())
	case w.live.on:
		w.merger.StepBelow(w.last())
	case w.stale.Load():
		w.reopenScan()
		w.merger.SeekBelow(w.last())
	}
}

// stepDown goes to the next lower entry that is a value.
func (w *walk) stepDown() bool {
	if w.live.on {
		w.valid = w.stepDownLive()
		return w.valid
	}
	m := &w.merger
	for !m.Prev() {
		if !errors.Is(m.Err, version.ErrFlushed) {
			w.err = m.Err
			return false
		}
		w.reopenScan()
		m.SeekBelow(w.bound())
	}
	if bytes.Compare(m.Key, w.within.From) < 0 {
		return false
	}
	w.from = append(append(w.from[:0], m.Key...), 0)
	w.valid = true
	return true
}

// stepDownLive is stepDown of a cursor of a prefix.
func (w *walk) stepDownLive() bool {
	m := &w.merger
	w.live.dead.Reset()
	found := w.descendOn(math.MaxInt)
	switch {
	case found && w.isPast(w.from):
		found = w.passForeign()
	case m.Err == nil && w.live.dead.Stepped > 0 && !w.isPast(w.live.dead.To): // else it has passed keys with longer prefixes
		w.rememberGap()
	}
	if !found || !m.CombineAt(w.from) {
		w.err = m.Err
		return false
	}
	w.err = w.stand()
	return w.err == nil
}

// passForeign goes on from a key that begins with the prefix but has a longer one. Keys of
// the prefix come before all of those, and mostly only the prefix itself is there.
func (w *walk) passForeign() (found bool) {
	m, split := &w.merger, &w.db.o.Split
	above := append(bytes.Clone(w.live.prefix), 0)
	m.Seek(above)
	if !m.Next() || w.isPast(m.Key) {
		m.SeekBelow(above)
		return w.descendOn(math.MaxInt)
	}
	for found = true; found && w.isPast(w.from); {
		m.SeekBelow(w.from[:split.Func(w.from)])
		found = w.descendOn(math.MaxInt)
	}
	return found
}
