package lsmstate

import (
	"bytes"
	"slices"

	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/state/backend"
)

// cursor is a live iterator over the rows of a prefix: it sees later writes.
type cursor struct {
	backend *Backend
	it      *lsm.Iterator // nil once closed
	from    []byte        // key for the first Seek; nil to begin at the first row, or after the first step
	err     error         // error of the opening, or ErrClosed
}

// ScanPrefix implements backend.ByteBackend. The prefix must be complete as the tree's split function
// defines it: header, key and namespace.
func (b *Backend) ScanPrefix(prefix, from []byte) backend.Cursor {
	c := &cursor{backend: b}
	if len(from) > len(prefix) {
		c.from = bytes.Clone(from)
	}
	db, err := b.store()
	if err == nil {
		c.it, err = db.Prefix(prefix)
	}
	if c.err = wrapLSMError(err); c.err == nil {
		b.cursors = append(b.cursors, c)
	}
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
	if c.it == nil {
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
	if c.from == nil {
		return c.it.Next()
	}
	from := c.from
	c.from = nil
	return c.it.Seek(from)
}

// Close implements backend.Cursor.
func (c *cursor) Close() error {
	if i := slices.Index(c.backend.cursors, c); i >= 0 {
		c.backend.cursors = slices.Delete(c.backend.cursors, i, i+1)
	}
	return c.end()
}

// end closes the iterator. The caller removes the cursor from the backend's list.
func (c *cursor) end() error {
	if c.it == nil {
		return nil
	}
	err := c.it.Close()
	c.it, c.err = nil, backend.ErrClosed
	return wrapLSMError(err)
}
