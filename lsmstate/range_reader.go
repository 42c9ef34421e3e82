package lsmstate

import (
	"bytes"

	"github.com/weirstate/weir/lsm"
)

// rangeReader reads ranges of a view. Ranges mostly follow each other, so it continues with the
// iterator's current position if it can, instead of a seek.
type rangeReader struct {
	view *lsm.View
	it   *lsm.Iterator // nil before the first range
	// passed is the end of the last range, which was read completely; nil before the first range and
	// after an error.
	passed []byte
	valid  bool // the iterator is at a row, the first one after the last range
}

// rows calls yield with the rows whose keys are in [from, to). A nil to means up to the last row.
func (r *rangeReader) rows(from, to []byte, yield func(key, value []byte) error) error {
	if err := r.seek(from); err != nil {
		return err
	}
	for r.isBefore(to) {
		value, err := r.value()
		if err == nil {
			err = yield(r.it.Key(), value)
		}
		if err != nil {
			r.passed = nil
			return err
		}
		r.valid = r.it.Next()
	}
	return r.end(to)
}

// seek moves to the first row at or above from.
func (r *rangeReader) seek(from []byte) (err error) {
	if r.it == nil {
		if r.it, err = r.view.Iterator(nil, nil); err != nil {
			return wrapLSMError(err)
		}
	}
	follows := r.passed != nil && bytes.Compare(r.passed, from) <= 0
	if !follows || r.valid && bytes.Compare(r.it.Key(), from) < 0 {
		r.valid = r.it.Seek(from)
	}
	return nil
}

// isBefore reports whether the reader is at a row below to.
func (r *rangeReader) isBefore(to []byte) bool {
	return r.valid && (to == nil || bytes.Compare(r.it.Key(), to) < 0)
}

// end records that everything below to was read, unless the iterator has failed.
func (r *rangeReader) end(to []byte) error {
	r.passed = nil
	if err := r.it.Err(); err != nil {
		return wrapLSMError(err)
	}
	if to != nil {
		r.passed = append([]byte{}, to...)
	}
	return nil
}

// value returns the value of the current row. It is valid until the next step.
func (r *rangeReader) value() ([]byte, error) {
	value, err := r.it.Value()
	return value, wrapLSMError(err)
}

// close closes the iterator.
func (r *rangeReader) close() error {
	if r.it == nil {
		return nil
	}
	return r.it.Close()
}
