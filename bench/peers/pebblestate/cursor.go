package pebblestate

import (
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"github.com/weirstate/weir/state/backend"
)

// cursor is a cursor that sees writes. A Pebble iterator does not see writes after it was created,
// so the cursor creates a new iterator after a write.
type cursor struct {
	backend *Backend
	prefix  []byte
	it      *pebble.Iterator
	writes  uint64 // Backend.writes when the iterator was created
	from    []byte // lower bound of the next key
}

// ScanPrefix implements backend.ByteBackend.
func (b *Backend) ScanPrefix(prefix, from []byte) backend.Cursor {
	return &cursor{backend: b, prefix: append([]byte(nil), prefix...), from: append([]byte(nil), from...)}
}

// Floor implements backend.ByteBackend.
func (b *Backend) Floor(prefix, key []byte) (found, value []byte, ok bool, err error) {
	if err := b.enter(); err != nil {
		return nil, nil, false, err
	}
	it, err := b.iterator(prefix)
	if err != nil {
		return nil, nil, false, err
	}
	if ok = it.SeekLT(append(append([]byte(nil), key...), 0)); ok {
		value, err = it.ValueAndErr()
		found, value = append([]byte(nil), it.Key()...), append([]byte(nil), value...)
	}
	err = errors.Join(err, it.Error(), it.Close())
	return found, value, ok && err == nil, err
}

// Next implements backend.Cursor.
func (c *cursor) Next() (key, value []byte, ok bool, err error) {
	if err := c.backend.enter(); err != nil {
		return nil, nil, false, err
	}
	if ok, err = c.step(); !ok || err != nil {
		return nil, nil, false, err
	}
	key = c.it.Key()
	c.from = append(append(c.from[:0:0], key...), 0)
	value, err = c.it.ValueAndErr()
	return key, value, err == nil, err
}

// step moves the iterator to the next key, and creates a new iterator if necessary.
func (c *cursor) step() (ok bool, err error) {
	if c.it != nil && c.writes == c.backend.writes {
		ok = c.it.Next()
		return ok, c.it.Error()
	}
	if err := c.Close(); err != nil {
		return false, err
	}
	if c.it, err = c.backend.iterator(c.prefix); err != nil {
		return false, err
	}
	c.writes = c.backend.writes
	ok = c.it.SeekGE(c.from)
	return ok, c.it.Error()
}

// Close implements backend.Cursor.
func (c *cursor) Close() error {
	if c.it == nil {
		return nil
	}
	err := errors.Join(c.it.Error(), c.it.Close())
	c.it = nil
	return err
}
