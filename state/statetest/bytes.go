package statetest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/google/btree"

	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/backend"
)

// Bytes is a small backend.ByteBackend: all rows, timers included, are in one B-tree in memory. It
// is an example of a disk backend without a disk, and implements snapshot.Backend.
//
// It enforces the lifetime of results: each result is a copy that the next call of any method
// overwrites, so code that keeps a result reads garbage. Close returns an error if a caller has
// written to a result.
//
// Thread safety: the task's goroutine only. Any goroutine may read a View.
type Bytes struct {
	registry   *backend.Registry
	rows       *btree.BTreeG[row]
	chunkBytes int
	loans      loans
}

// row is a composite key and its stored value. Clones of the tree share rows, so key and value
// never change.
type row struct{ key, value []byte }

// NewBytes returns an empty backend. It stores lists in rows of up to chunkBytes; a larger append
// has a row of its own.
func NewBytes(o state.Options, chunkBytes int) (*Bytes, error) {
	registry, err := backend.NewRegistry(o)
	if err != nil {
		return nil, fmt.Errorf("bytes: %w", err)
	}
	return &Bytes{registry: registry, rows: newRows(), chunkBytes: chunkBytes}, nil
}

func newRows() *btree.BTreeG[row] {
	return btree.NewG(16, func(a, b row) bool { return bytes.Compare(a.key, b.key) < 0 })
}

// beginCall overwrites the results of earlier calls. It returns ErrClosed after Close.
func (b *Bytes) beginCall() error {
	b.loans.recall()
	if b.registry.Closed() {
		return state.ErrClosed
	}
	return nil
}

// Registry implements backend.Backend.
func (b *Bytes) Registry() *backend.Registry { return b.registry }

// AddState implements backend.ByteBackend.
func (b *Bytes) AddState(backend.Info) error { return b.beginCall() }

// Get implements backend.ByteBackend.
func (b *Bytes) Get(key []byte) (value []byte, ok bool, err error) {
	if err := b.beginCall(); err != nil {
		return nil, false, err
	}
	found, ok := b.rows.Get(row{key: key})
	return b.loans.lend(found.value), ok, nil
}

// Set implements backend.ByteBackend.
func (b *Bytes) Set(key, value []byte) error {
	if err := b.beginCall(); err != nil {
		return err
	}
	b.rows.ReplaceOrInsert(row{bytes.Clone(key), bytes.Clone(value)})
	return nil
}

// Delete implements backend.ByteBackend.
func (b *Bytes) Delete(key []byte) error {
	if err := b.beginCall(); err != nil {
		return err
	}
	b.rows.Delete(row{key: key})
	return nil
}

// Append implements backend.ByteBackend. The suffix of a list row is a number of
// four bytes.
func (b *Bytes) Append(prefix, value []byte) error {
	if err := b.beginCall(); err != nil {
		return err
	}
	last, ok := b.last(prefix)
	switch {
	case !ok:
		last = row{key: append(bytes.Clone(prefix), 0, 0, 0, 0)}
	case len(last.value)+len(value) > b.chunkBytes:
		last = row{key: nextSuffix(last.key, len(prefix))}
	}
	b.rows.ReplaceOrInsert(row{last.key, slices.Concat(last.value, value)})
	return nil
}

// last returns the last row under a prefix.
func (b *Bytes) last(prefix []byte) (last row, ok bool) {
	b.rows.DescendLessOrEqual(row{key: nextSuffix(prefix, 0)}, func(r row) bool {
		last, ok = r, bytes.HasPrefix(r.key, prefix)
		return !ok && bytes.Compare(r.key, prefix) > 0
	})
	return last, ok
}

// nextSuffix returns a key with the next suffix: it increments the suffix, which begins after
// prefixSize bytes, as a big-endian number, or extends it if all its bytes are ff. It works for
// suffixes of any backend.
func nextSuffix(key []byte, prefixSize int) []byte {
	next := bytes.Clone(key)
	for i := len(next) - 1; i >= prefixSize; i-- {
		if next[i]++; next[i] != 0 {
			return next
		}
	}
	return append(bytes.Clone(key), 0)
}

// DeletePrefix implements backend.ByteBackend.
func (b *Bytes) DeletePrefix(prefix []byte) error {
	if err := b.beginCall(); err != nil {
		return err
	}
	return ascend(b.rows.Clone(), prefix, func(key, _ []byte) error {
		b.rows.Delete(row{key: key})
		return nil
	})
}

// ascend calls yield with copies of the rows under a prefix. It overwrites them when yield has
// returned.
func ascend(rows *btree.BTreeG[row], prefix []byte, yield func(key, value []byte) error) error {
	return ascendFrom(rows, prefix, prefix, yield)
}

// ascendFrom is ascend over the rows at or above a key.
func ascendFrom(rows *btree.BTreeG[row], prefix, from []byte, yield func(key, value []byte) error) (err error) {
	rows.AscendGreaterOrEqual(row{key: from}, func(r row) bool {
		if !bytes.HasPrefix(r.key, prefix) {
			return false
		}
		var lent loans
		err = yield(lent.lend(r.key), lent.lend(r.value))
		lent.recall()
		if lent.written {
			err = errors.Join(err, errWritten)
		}
		return err == nil
	})
	return err
}

// ScanPrefix implements backend.ByteBackend.
func (b *Bytes) ScanPrefix(prefix, from []byte) backend.Cursor {
	b.loans.recall()
	return &bytesCursor{backend: b, prefix: bytes.Clone(prefix), from: bytes.Clone(from)}
}

// Floor implements backend.ByteBackend.
func (b *Bytes) Floor(prefix, key []byte) (found, value []byte, ok bool, err error) {
	if err := b.beginCall(); err != nil {
		return nil, nil, false, err
	}
	var last row
	b.rows.DescendLessOrEqual(row{key: key}, func(r row) bool {
		last, ok = r, bytes.HasPrefix(r.key, prefix)
		return false
	})
	if !ok {
		return nil, nil, false, nil
	}
	return b.loans.lend(last.key), b.loans.lend(last.value), true, nil
}

// bytesCursor seeks its next row at each step, so it sees writes.
type bytesCursor struct {
	backend      *Bytes
	prefix, from []byte
}

// Next implements backend.Cursor.
func (c *bytesCursor) Next() (key, value []byte, ok bool, err error) {
	if err := c.backend.beginCall(); err != nil {
		return nil, nil, false, err
	}
	var next row
	c.backend.rows.AscendGreaterOrEqual(row{key: c.from}, func(r row) bool {
		next, ok = r, bytes.HasPrefix(r.key, c.prefix)
		return false
	})
	if !ok {
		return nil, nil, false, nil
	}
	c.from = append(append(c.from[:0], next.key...), 0) // the smallest key above next.key
	return c.backend.loans.lend(next.key), c.backend.loans.lend(next.value), true, nil
}

// Close implements backend.Cursor.
func (c *bytesCursor) Close() error {
	c.backend.loans.recall()
	return nil
}

// Scan implements backend.Backend.
func (b *Bytes) Scan(id state.ID, yield func(key, value []byte) error) error {
	if err := b.beginCall(); err != nil {
		return err
	}
	if _, ok := b.kind(id); !ok {
		return state.ErrUnknownState
	}
	pinned := b.rows.Clone()
	groups := b.registry.Keyspace().Groups
	for group := int(groups.First); group <= int(groups.Last); group++ {
		if err := ascend(pinned, backend.AppendHeader(nil, uint16(group), id), yield); err != nil {
			return err
		}
	}
	return nil
}

// kind returns the kind of a declared state.
func (b *Bytes) kind(id state.ID) (backend.Kind, bool) {
	info, ok := b.registry.Info(id)
	return info.Kind, ok
}

// Empty implements snapshot.Backend.
func (b *Bytes) Empty() bool { return b.rows.Len() == 0 }

// Load implements snapshot.Backend. Values are decoded when they are read.
func (b *Bytes) Load(key, value []byte) error {
	if err := b.beginCall(); err != nil {
		return err
	}
	group, id, rest, err := b.registry.SplitRow(key)
	if err != nil {
		return err
	}
	kind, ok := b.kind(id)
	if !ok {
		return fmt.Errorf("load: no state with id %#08x: %w", uint32(id), state.ErrUnknownState)
	}
	if kind == backend.KindTimers {
		if err := checkTimer(group, rest, value); err != nil {
			return err
		}
	}
	return b.Set(key, value)
}

// View implements snapshot.Backend.
func (b *Bytes) View() (snapshot.View, error) {
	if err := b.beginCall(); err != nil {
		return nil, err
	}
	return &bytesView{keyspace: b.registry.Keyspace(), states: b.registry.StateList(), rows: b.rows.Clone()}, nil
}

// bytesView is a view of a Bytes. It implements backend.KeyView: its clone of the B-tree never
// changes, so any number of goroutines may read it.
type bytesView struct {
	keyspace state.Keyspace
	states   *backend.StateList
	rows     *btree.BTreeG[row]
	readers  backend.Readers
}

// Keyspace implements snapshot.View.
func (v *bytesView) Keyspace() state.Keyspace { return v.keyspace }

// States implements snapshot.View.
func (v *bytesView) States() []backend.Info { return v.states.States() }

// Rows implements snapshot.View.
func (v *bytesView) Rows(group uint16, yield func(key, value []byte) error) error {
	if err := v.readers.Enter(); err != nil {
		return err
	}
	defer v.readers.Leave()
	return ascend(v.rows, backend.AppendHeader(nil, group, 0)[:2], yield)
}

// Get implements backend.KeyView.
func (v *bytesView) Get(key, dst []byte) (value []byte, ok bool, err error) {
	if err := v.readers.Enter(); err != nil {
		return dst, false, err
	}
	defer v.readers.Leave()
	if _, _, _, err := v.states.SplitKey(key, v.keyspace.Groups); err != nil {
		return dst, false, err
	}
	found, ok := v.rows.Get(row{key: key})
	return append(dst, found.value...), ok, nil
}

// ScanPrefix implements backend.KeyView.
func (v *bytesView) ScanPrefix(prefix, from []byte, yield func(key, value []byte) error) error {
	if err := v.readers.Enter(); err != nil {
		return err
	}
	defer v.readers.Leave()
	if _, _, _, err := v.states.SplitKey(prefix, v.keyspace.Groups); err != nil {
		return err
	}
	return ascendFrom(v.rows, prefix, from, yield)
}

// Close implements snapshot.View.
func (v *bytesView) Close() { v.readers.Close(func() { v.rows = newRows() }) }

// Close implements backend.Backend. Open views stay readable.
func (b *Bytes) Close() error {
	b.loans.recall()
	b.registry.Close()
	b.rows = newRows()
	if b.loans.written {
		return errWritten
	}
	return nil
}
