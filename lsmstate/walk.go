package lsmstate

import (
	"bytes"

	"github.com/weirstate/weir/lsm"
)

// walk reads ranges of a view, mostly one behind the other: it goes on where it
// stands if it can.
type walk struct {
	view *lsm.View
	it   *lsm.Iterator // nil until the first range
	// Up to here, excluded, all was read; nil is nowhere. Valid says that the
	// iterator stands at the first row that is left.
	passed []byte
	valid  bool
}

// rows calls yield with the rows from from to to, excluded, where nil is the end.
func (w *walk) rows(from, to []byte, yield func(key, value []byte) error) error {
	if err := w.seek(from); err != nil {
		return err
	}
	for w.within(to) {
		value, err := w.read()
		if err == nil {
			err = yield(w.it.Key(), value)
		}
		if err != nil {
			w.passed = nil
			return err
		}
		w.valid = w.it.Next()
	}
	return w.end(to)
}

// seek goes to the first row from a key on.
func (w *walk) seek(from []byte) (err error) {
	if w.it == nil {
		if w.it, err = w.view.Iterator(nil, nil); err != nil {
			return ofTree(err)
		}
	}
	onTheWay := w.passed != nil && bytes.Compare(w.passed, from) <= 0
	if !onTheWay || w.valid && bytes.Compare(w.it.Key(), from) < 0 {
		w.valid = w.it.Seek(from)
	}
	return nil
}

// within says whether the walk stands at a row before a key.
func (w *walk) within(to []byte) bool {
	return w.valid && (to == nil || bytes.Compare(w.it.Key(), to) < 0)
}

// end notes how far the walk has come.
func (w *walk) end(to []byte) error {
	w.passed = nil
	if err := w.it.Err(); err != nil {
		return ofTree(err)
	}
	if to != nil {
		w.passed = append([]byte{}, to...)
	}
	return nil
}

// read is the value where the walk stands. It is good until the next step.
func (w *walk) read() ([]byte, error) {
	value, err := w.it.Value()
	return value, ofTree(err)
}

// close ends the walk.
func (w *walk) close() error {
	if w.it == nil {
		return nil
	}
	return w.it.Close()
}
