package lsm

import (
	"bytes"
	"errors"
	"io"

	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/run"
)

// Iterator visits the keys that have values: Next in ascending order, Prev in descending order.
// A new iterator stands before the first key: call Next, Seek or Last.
//
//	for it.Next() {
//		value, err := it.Value()
//		…
//	}
//	return errors.Join(it.Err(), it.Close())
//
// Thread safety: one goroutine; an iterator of Prefix belongs to the owner.
type Iterator struct {
	walk *walk // nil after Close, because another iterator may reuse it
	err  error // error of the walk, kept after Close
}

// Next moves to the next key and reports whether there is one.
func (it *Iterator) Next() bool { return it.isOpen() && it.walk.move() }

// Seek moves to the first key at or above key and reports whether there is one.
func (it *Iterator) Seek(key []byte) bool { return it.isOpen() && it.walk.moveTo(key) }

// Last moves to the last key and reports whether there is one.
func (it *Iterator) Last() bool { return it.isOpen() && it.walk.moveToLast() }

// Prev moves to the key before the current one and reports whether there is one. If Next or
// Seek has reached the end, or the iterator has not moved yet, Prev moves to the last key. If
// Prev has reached the beginning, Next moves to the first key.
//
// Next is the faster direction, and each change of direction costs a Seek.
func (it *Iterator) Prev() bool { return it.isOpen() && it.walk.moveBack() }

// isOpen reports whether the iterator is open, and sets its error to ErrClosed if not.
func (it *Iterator) isOpen() bool {
	if it.walk == nil && it.err == nil {
		it.err = ErrClosed
	}
	return it.walk != nil
}

// checkOpen returns ErrClosed if the iterator is closed, or if the store of a scan is.
func (it *Iterator) checkOpen() error {
	if w := it.walk; w == nil || w.db.status.isClosed.Load() {
		return ErrClosed
	}
	return nil
}

// Key returns the current key. It is valid until the next call.
func (it *Iterator) Key() []byte {
	if it.walk == nil {
		return nil
	}
	return it.walk.currentKey()
}

// Value returns the value of the current key. It is valid until the next call. Values above the
// limit return ErrTooLarge: read them with ValueReader.
func (it *Iterator) Value() ([]byte, error) {
	if it.walk == nil {
		return nil, it.err
	}
	return it.walk.currentValue()
}

// ValueSize returns the size of the current value in bytes.
func (it *Iterator) ValueSize() int64 {
	if it.walk == nil || !it.walk.valid {
		return 0
	}
	return it.walk.merger.Lookup.Size()
}

// ValueReader returns a reader of the current value, for values of any size. After a call of
// Next, Prev, Last, Seek or Close, or after the store is closed, the reader returns ErrClosed.
// Iterators of Prefix return an empty reader: use DB.Stream.
func (it *Iterator) ValueReader() io.Reader {
	if it.walk == nil || !it.walk.valid || it.walk.cursor.on {
		return bytes.NewReader(nil)
	}
	return &valueReader{it: it, moves: it.walk.moves, pieces: it.walk.merger.Lookup.Reader()}
}

// Err returns the error that has stopped the iterator, nil if it reached the end.
func (it *Iterator) Err() error {
	if it.walk == nil {
		return it.err
	}
	return it.walk.err
}

// Close releases the iterator's memory and files. A second Close does nothing.
func (it *Iterator) Close() error {
	if it.walk == nil {
		return nil
	}
	w := it.walk
	it.walk, it.err = nil, w.err
	return w.close()
}

// Iterator returns an iterator over the keys in [from, to). A nil from is the lowest key, a nil
// to is the end. The iterator sees the store as of this call: the store seals its memtable,
// unless it is empty. Like reads of a View, Iterator waits for runs of SealWith. Close the
// iterator.
func (db *DB) Iterator(from, to []byte) (*Iterator, error) {
	opened := callerOf()
	v, err := db.view(opened)
	if err != nil {
		return nil, err
	}
	it, err := v.iterator(run.Range{From: from, To: to}, opened)
	return it, errors.Join(err, v.Close())
}

// scan returns an iterator over v, whose newest run is given and which has no source. The caller
// holds the lock.
func (db *DB) scan(v *version.Version, newest uint64, within run.Range, opened caller) *Iterator {
	within = run.Range{From: bytes.Clone(within.From), To: bytes.Clone(within.To)} // the caller may change its slices
	w := &walk{db: db, within: within, version: v, run: newest, opened: opened}
	w.openScan() // first, because it calls functions of the options, which may panic
	v.Ref()
	db.pins.addWalk(w)
	return &Iterator{walk: w}
}
