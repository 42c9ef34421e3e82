package lsm

import (
	"bytes"
	"errors"
	"math"

	"github.com/weirstate/weir/lsm/internal/version"
)

// While an iterator moves backward, w.from holds a key followed by a zero byte: the current
// key, or the key that SeekBelow was given. An empty w.from means the end of all keys. The
// iterator seeks below that key after a change of direction, after a write (prefix iterators),
// and after a flush (scans).

// moveToLast moves to the last key and reports whether there is one.
func (w *walk) moveToLast() bool {
	if !w.beginMove() {
		return false
	}
	defer w.endMove()
	w.seekBelow(w.within.To)
	return w.stepDown()
}

// moveBack moves to the key before the current one, or to the last key if there is no current
// one, and reports whether there is one.
func (w *walk) moveBack() bool {
	stood := w.valid
	if !w.beginMove() {
		return false
	}
	defer w.endMove()
	switch {
	case stood && !w.backward:
		w.turnDown()
	case stood:
		w.followDown()
	case !w.backward: // has not moved yet, or is at the end
		w.seekBelow(w.within.To)
	default:
		return false
	}
	return w.stepDown()
}

// seekBelow starts a backward move below key; nil starts above all keys.
func (w *walk) seekBelow(key []byte) {
	w.begun, w.backward = true, true
	if w.from = append(w.from[:0], key...); key != nil {
		w.from = append(w.from, 0)
	}
	switch {
	case w.cursor.on:
		w.refresh()
	case w.stale.Load():
		w.reopenScan()
	}
	w.merger.SeekBelow(w.bound())
}

// bound returns the key below which a backward move continues, nil for the end.
func (w *walk) bound() []byte {
	if len(w.from) == 0 {
		return nil
	}
	return w.last()
}

// turnDown changes the direction to backward, starting below the current key.
func (w *walk) turnDown() {
	if !w.cursor.on {
		w.from = append(append(w.from[:0], w.merger.Key...), 0)
	}
	w.seekBelow(w.last())
}

// turnUp changes the direction to forward: after the current key if the walk stood at one,
// otherwise at the beginning.
func (w *walk) turnUp(stood bool) {
	if stood {
		w.seek(w.from)
	} else {
		w.seek(w.within.From)
	}
}

// followDown updates outdated sources, then leaves the current key downward.
func (w *walk) followDown() {
	switch {
	case w.cursor.on && !w.isUpToDate():
		w.refresh()
		w.merger.SeekBelow(w.last())
	case w.cursor.on:
		w.merger.StepBelow(w.last())
	case w.stale.Load():
		w.reopenScan()
		w.merger.SeekBelow(w.last())
	}
}

// stepDown moves backward to the next entry with a value.
func (w *walk) stepDown() bool {
	if w.cursor.on {
		w.valid = w.stepDownPrefix()
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

// stepDownPrefix is stepDown for prefix iterators.
func (w *walk) stepDownPrefix() bool {
	m := &w.merger
	w.cursor.dead.Reset()
	found := w.descendOn(math.MaxInt)
	switch {
	case found && w.isPast(w.from):
		found = w.skipLongerPrefixes()
	case m.Err == nil && w.cursor.dead.Stepped > 0 && !w.isPast(w.cursor.dead.To): // otherwise it has passed keys with longer prefixes
		w.recordGap()
	}
	if !found || !m.CombineAt(w.from) {
		w.err = m.Err
		return false
	}
	w.err = w.copyCurrent()
	return w.err == nil
}

// skipLongerPrefixes moves down from a key that begins with the prefix but has a longer prefix
// itself. Such keys sort after the keys of the prefix; usually the only key of the prefix is
// the prefix itself.
func (w *walk) skipLongerPrefixes() (found bool) {
	m, split := &w.merger, &w.db.o.Split
	above := append(bytes.Clone(w.cursor.prefix), 0)
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
