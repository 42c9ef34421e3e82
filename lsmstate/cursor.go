package lsmstate

import (
	"slices"

	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/state/backend"
)

// cursor is a live iterator over the rows of a prefix: it sees later writes. A closed cursor is kept
// for the next scan, with its iterator.
type cursor struct {
	backend *Backend
	it      lsm.Iterator
	from    []byte // key for the first Seek; empty to begin at the first row, or after the first step
	err     error  // error of the opening, or ErrClosed
}

// maxIdleCursors limits the closed cursors that a backend keeps. More are rarely open at a time.
const maxIdleCursors = 4

// ScanPrefix implements backend.ByteBackend. The prefix must be complete as the tree's split function
// defines it: header, key and namespace.
func (b *Backend) ScanPrefix(prefix, from []byte) backend.Cursor {
	c := b.takeCursor()
	if len(from) > len(prefix) {
		c.from = append(c.from, from...)
	}
	db, err := b.store()
	if err == nil {
		err = db.OpenPrefix(&c.it, prefix)
	}
	if c.err = wrapLSMError(err); c.err == nil {
		b.cursors = append(b.cursors, c)
	}
	return c
}

// takeCursor returns a closed cursor to be reused, or a new one.
func (b *Backend) takeCursor() *cursor {
	n := len(b.idleCursors)
	if n == 0 {
		return &cursor{backend: b}
	}
	c := b.idleCursors[n-1]
	b.idleCursors = b.idleCursors[:n-1]
	c.from = c.from[:0]
	return c
}

// Floor implements backend.ByteBackend.
func (b *Backend) Floor(_, key []byte) (found, value []byte, ok bool, err error) {
	db, err := b.store()
	if err != nil {
		return nil, nil, false, err
	}
	found, value, ok, err = db.Floor(key)
	return found, value, ok, wrapLSMError(err)
}

// Next implements backend.Cursor.
func (c *cursor) Next() (key, value []byte, ok bool, err error) {
	if c.err != nil {
		return nil, nil, false, c.err
	}
	if !c.move() {
		return nil, nil, false, wrapLSMError(c.it.Err())
	}
	key = c.it.Key()
	value, err = c.it.Value()
	if err != nil {
		return nil, nil, false, wrapLSMError(err)
	}
	return key, value, true, nil
}

// move moves to the next row, at first to the first row, and reports whether there is one.
func (c *cursor) move() bool {
	if len(c.from) == 0 {
		return c.it.Next()
	}
	from := c.from
	c.from = c.from[:0]
	return c.it.Seek(from)
}

// Close implements backend.Cursor.
func (c *cursor) Close() error {
	b := c.backend
	i := len(b.cursors) - 1
	for i >= 0 && b.cursors[i] != c {
		i--
	}
	if i < 0 {
		return nil // not opened, or closed already
	}
	b.cursors = slices.Delete(b.cursors, i, i+1)
	if len(b.idleCursors) < maxIdleCursors {
		b.idleCursors = append(b.idleCursors, c)
	}
	return c.end()
}

// end closes the iterator. The caller removes the cursor from the backend's list.
func (c *cursor) end() error {
	err := c.it.Close()
	c.err = backend.ErrClosed
	return wrapLSMError(err)
}
