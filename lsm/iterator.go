package lsm

import (
	"bytes"
	"io"

	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/run"
)

// Iterator walks keys that have values, in ascending order by Next and in descending order
// by Prev. It begins before the first: call Next, Seek or Last.
//
// Thread safety: one goroutine; one that Prefix returned belongs to the owner.
type Iterator struct {
	walk *walk // nil once closed; its memory may be another iterator's then
	err  error // of the walk, once closed
}

// Next goes to the next key and says whether there is one.
func (it *Iterator) Next() bool { return it.isOpen() && it.walk.move() }

// Seek goes to the first key that is at least key, and says whether there is
// one.
func (it *Iterator) Seek(key []byte) bool { return it.isOpen() && it.walk.moveTo(key) }

// Last goes to the last key and reports whether it exists.
func (it *Iterator) Last() bool { return it.isOpen() && it.walk.moveToLast() }

// Prev goes to the key before the current one, and reports whether it exists. It goes to
// the last key if there is no current one because Next or Seek came to the end, or because
// the walk has not begun; Next goes to the first one after Prev came to the beginning.
//
// Next is the faster direction, and a change of direction costs a Seek.
func (it *Iterator) Prev() bool { return it.isOpen() && it.walk.moveBack() }

// isOpen says whether the iterator may be moved. If not, that is its error from then on.
func (it *Iterator) isOpen() bool {
	if it.walk == nil && it.err == nil {
		it.err = ErrClosed
	}
	return it.walk != nil
}

// checkOpen returns ErrClosed if the iterator, or the store of a scan, is closed.
func (it *Iterator) checkOpen() error {
	if w := it.walk; w == nil || w.db.status.shut.Load() {
		return ErrClosed
	}
	return nil
}

// Key is the current one. It is good until the next call.
func (it *Iterator) Key() []byte {
	if it.walk == nil {
		return nil
	}
	return it.walk.currentKey()
}

// Value is that of the current key. It is good until the next call. It is
// ErrTooLarge above the limit: ValueReader reads it.
func (it *Iterator) Value() ([]byte, error) {
	if it.walk == nil {
		return nil, it.err
	}
	return it.walk.currentValue()
}

// ValueSize is the size of the current value in bytes.
func (it *Iterator) ValueSize() int64 {
	if it.walk == nil || !it.walk.valid {
		return 0
	}
	return it.walk.merger.Lookup.Size()
}

// ValueReader reads the current value in pieces. It is good until the next call of
// Next, Prev, Last, Seek or Close, and until the store is closed: then it returns ErrClosed.
// Prefix returns iterators that have none: see DB.Stream.
func (it *Iterator) ValueReader() io.Reader {
	if it.walk == nil || !it.walk.valid || it.walk.live.on {
		return bytes.NewReader(nil)
	}
	return &valueReader{it: it, moves: it.walk.moves, pieces: it.walk.merger.Lookup.Reader()}
}

// Err is what has ended the walk, nil at its end.
func (it *Iterator) Err() error {
	if it.walk == nil {
		return it.err
	}
	return it.walk.err
}

// Close releases what the iterator holds. A second one does nothing.
func (it *Iterator) Close() error {
	if it.walk == nil {
		return nil
	}
	w := it.walk
	it.walk, it.err = nil, w.err
	return w.close()
}

// Iterator walks the keys from from to to, excluded; nil is the lowest or beyond
// the highest. It sees the store as it is now: the store is sealed, unless
// nothing was written since it last was. Close it.
func (db *DB) Iterator(from, to []byte) (_ *Iterator, err error) {
	opened := callerOf()
	if err := db.enter(); err != nil {
		return nil, err
	}
	defer db.leaveWrite(&err)
	if err := db.sealToRead(); err != nil {
		return nil, err
	}
	return db.scan(db.versions.Current(), db.activeRun-1, run.Range{From: from, To: to}, opened), nil
}

// scan returns an iterator over a version whose newest run is given. The lock is held.
func (db *DB) scan(v *version.Version, newest uint64, within run.Range, opened caller) *Iterator {
	within = run.Range{From: bytes.Clone(within.From), To: bytes.Clone(within.To)} // they are the caller's
	w := &walk{db: db, within: within, version: v, run: newest, opened: opened}
	w.openScan() // first: it calls functions of the options
	v.Ref()
	db.pins.enterWalk(w)
	return &Iterator{walk: w}
}
