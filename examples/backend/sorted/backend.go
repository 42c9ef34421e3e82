// Package sorted is a complete backend of keyed state. It keeps rows of bytes in a B-tree; a
// clone of the B-tree is a view.
package sorted

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/google/btree"

	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state/backend"
)

// chunkBytes limits a row of a list. An append that would exceed it begins a new row.
const chunkBytes = 4 << 10

// Backend implements backend.ByteBackend and snapshot.Backend.
//
// Thread safety: the task's goroutine only; a View may be read by another.
type Backend struct {
	registry *backend.Registry
	rows     *btree.BTreeG[row]
}

// row is a composite key and its value. Clones of the tree share rows, so the bytes of a row
// never change.
type row struct{ key, value []byte }

func less(a, b row) bool { return bytes.Compare(a.key, b.key) < 0 }

// New returns an empty backend.
func New(o backend.Options) (*Backend, error) {
	registry, err := backend.NewRegistry(o)
	if err != nil {
		return nil, fmt.Errorf("sorted: %w", err)
	}
	return &Backend{registry, btree.NewG(32, less)}, nil
}

// Registry implements backend.Backend.
func (b *Backend) Registry() *backend.Registry { return b.registry }

// AddState implements backend.ByteBackend.
func (b *Backend) AddState(backend.Info) error { return b.check() }

// AddTimers implements backend.Backend.
func (b *Backend) AddTimers(service backend.Info, d backend.Domain) (backend.TimerQueue, error) {
	return backend.NewTimerRows(b, service, d), b.check()
}

// Close implements backend.Backend.
func (b *Backend) Close() error {
	b.registry.Close()
	b.rows = btree.NewG(32, less)
	return nil
}

func (b *Backend) check() error {
	if b.registry.Closed() {
		return backend.ErrClosed
	}
	return nil
}

// Get implements backend.ByteBackend.
func (b *Backend) Get(key []byte) (value []byte, ok bool, err error) {
	found, ok := b.rows.Get(row{key: key})
	return found.value, ok, b.check()
}

// Set implements backend.ByteBackend.
func (b *Backend) Set(key, value []byte) error {
	if err := b.check(); err != nil {
		return err
	}
	b.rows.ReplaceOrInsert(row{bytes.Clone(key), bytes.Clone(value)})
	return nil
}

// Delete implements backend.ByteBackend.
func (b *Backend) Delete(key []byte) error {
	b.rows.Delete(row{key: key})
	return b.check()
}

// Append implements backend.ByteBackend. A list has several rows; the key of each is the prefix
// and a number of 8 bytes that counts up.
func (b *Backend) Append(prefix, value []byte) error {
	if err := b.check(); err != nil {
		return err
	}
	last, ok := b.last(prefix)
	if !ok || len(last.value)+len(value) > chunkBytes {
		last = row{key: nextKey(prefix, last.key)}
	}
	b.rows.ReplaceOrInsert(row{last.key, slices.Concat(last.value, value)})
	return nil
}

// last returns the last row whose key begins with a prefix.
func (b *Backend) last(prefix []byte) (last row, ok bool) {
	end := append(bytes.Clone(prefix), bytes.Repeat([]byte{0xff}, 64)...)
	b.rows.DescendLessOrEqual(row{key: end}, func(r row) bool {
		if ok = bytes.HasPrefix(r.key, prefix); ok {
			last = r
		}
		return false
	})
	return last, ok
}

// nextKey returns the key for the row after the last row of a list. last is nil if the list has
// no row. The last row of a restored list may have a longer key, from another backend.
func nextKey(prefix, last []byte) []byte {
	if last == nil {
		return append(bytes.Clone(prefix), 0, 0, 0, 0, 0, 0, 0, 0)
	}
	next := bytes.Clone(last)
	if len(last) >= len(prefix)+8 {
		number := next[len(next)-8:]
		if n := binary.BigEndian.Uint64(number); n < math.MaxUint64 {
			binary.BigEndian.PutUint64(number, n+1)
			return next
		}
	}
	return append(next, 0, 0, 0, 0, 0, 0, 0, 0)
}

// DeletePrefix implements backend.ByteBackend.
func (b *Backend) DeletePrefix(prefix []byte) error {
	if err := b.check(); err != nil {
		return err
	}
	return scan(b.rows.Clone())(prefix, func(key, _ []byte) error {
		b.rows.Delete(row{key: key})
		return nil
	})
}

// scan returns a function that iterates over the rows of a prefix. The tree must not change.
func scan(rows *btree.BTreeG[row]) backend.ScanFunc {
	return func(prefix []byte, yield func(key, value []byte) error) (err error) {
		rows.AscendGreaterOrEqual(row{key: prefix}, func(r row) bool {
			if !bytes.HasPrefix(r.key, prefix) {
				return false
			}
			err = yield(r.key, r.value)
			return err == nil
		})
		return err
	}
}

// ScanPrefix implements backend.ByteBackend.
func (b *Backend) ScanPrefix(prefix, from []byte) backend.Cursor {
	return &cursor{b, bytes.Clone(prefix), bytes.Clone(from)}
}

// cursor searches for its next row at each step, so it sees rows that are written between steps.
type cursor struct {
	b            *Backend
	prefix, from []byte
}

// Next implements backend.Cursor.
func (c *cursor) Next() (key, value []byte, ok bool, err error) {
	var next row
	c.b.rows.AscendGreaterOrEqual(row{key: c.from}, func(r row) bool {
		next, ok = r, bytes.HasPrefix(r.key, c.prefix)
		return false
	})
	if err := c.b.check(); err != nil || !ok {
		return nil, nil, false, err
	}
	c.from = append(append(c.from[:0], next.key...), 0)
	return next.key, next.value, true, nil
}

// Close implements backend.Cursor.
func (c *cursor) Close() error { return nil }

// Floor implements backend.ByteBackend.
func (b *Backend) Floor(prefix, key []byte) (found, value []byte, ok bool, err error) {
	var last row
	b.rows.DescendLessOrEqual(row{key: key}, func(r row) bool {
		last, ok = r, bytes.HasPrefix(r.key, prefix)
		return false
	})
	if err := b.check(); err != nil || !ok {
		return nil, nil, false, err
	}
	return last.key, last.value, true, nil
}

// Scan implements backend.Backend.
func (b *Backend) Scan(id backend.ID, yield func(key, value []byte) error) error {
	return b.registry.ScanState(id, scan(b.rows.Clone()), yield)
}

// Empty implements snapshot.Backend: it reports whether the backend has no row.
func (b *Backend) Empty() bool { return b.rows.Len() == 0 }

// Load implements snapshot.Backend.
func (b *Backend) Load(key, value []byte) error { return b.registry.LoadRow(key, value, b.Set) }

// View implements snapshot.Backend.
func (b *Backend) View() (snapshot.View, error) {
	rows := b.rows.Clone()
	return backend.NewRowView(b.registry, scan(rows), func() { rows.Clear(false) }), b.check()
}
