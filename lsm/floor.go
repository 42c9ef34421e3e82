package lsm

import (
	"math"
)

// Floor returns the greatest key at or below key that has a value and the same prefix as key (see
// Options.Split), and its value. ok is false if no such key exists. Both slices are valid until the
// next call of any method, and must not be changed. If appends have grown the value above the limit
// for a value, Floor returns the found key and ErrTooLarge. Only the owner may call Floor: see Peek.
func (db *DB) Floor(key []byte) (found, value []byte, ok bool, err error) {
	if err := db.lockOpen(); err != nil {
		return nil, nil, false, err
	}
	defer db.unlock(&err)
	if found, ok, err = db.floorKey(key); err != nil || !ok {
		return nil, nil, false, err
	}
	value, ok, err = db.peek(found)
	return found, value, ok, err
}

// floorKey is Floor without the value, for callers that hold the lock. If it stepped over many
// deleted keys, it records them as a gap, which later reads skip.
func (db *DB) floorKey(key []byte) (found []byte, ok bool, err error) {
	w := db.explorer(key[:db.o.Split.Func(key)])
	defer db.closeExplorer(w)
	w.value = append(append(w.value[:0], key...), 0)
	w.cursor.dead.Reset()
	ok = w.descend(w.value, math.MaxInt)
	if w.merger.Err == nil {
		w.recordGap()
	}
	return w.from, ok, w.merger.Err
}

// descend finds the greatest key that is lower than below and has a value. If it finds one, it
// returns true, w.from is the key, and the sources that have the key stand at it. It returns false
// if no such key exists, after an error (merger.Err), and after it has stepped over `most` entries
// without a value.
func (w *walk) descend(below []byte, most int) bool {
	w.merger.SeekBelow(below)
	return w.descendOn(most)
}

// descendOn is descend from the current position: the merger's sources already stand at their
// greatest entries below the bound.
func (w *walk) descendOn(most int) bool {
	m := &w.merger
	for n := 0; m.Err == nil && n < most; n++ {
		s := m.HighestSource()
		if s == nil {
			return false
		}
		w.from = append(w.from[:0], s.Current.Key...)
		if s.Current.Kind.HasValue() && !m.IsHiddenByRange(s) {
			return true
		}
		w.skipDown()
	}
	return false
}
