package compaction

import (
	"fmt"
	"io"
	"slices"

	"github.com/weirstate/weir/lsm/internal/merge"
	"github.com/weirstate/weir/run"
)

// Filter decides on entries during compactions: it can drop expired state, or replace values by
// a newer encoding. It sees an entry rarely and perhaps never, so reads must not rely on it:
// the program applies the same rule when it reads. It is called by one goroutine at a time: the
// compactor, or a caller of Compact. It must not write to a store of the same budget, or wait for
// one: flushes may have to wait until it returns.
type Filter interface {
	// Decide sets Decision of each entry that must not stay unchanged. Entries are in key
	// order. Keys and values are valid until it returns. A panic makes the store fail: see
	// PanicError.
	Decide(batch []FilterEntry)
}

// RangeFilter is a Filter that decides on one range of keys only. Other entries are not copied
// for it, which makes compactions faster.
type RangeFilter interface {
	Filter
	// FilterRange returns the range of keys on which the filter decides: from is included, to
	// is excluded; a nil to is above all keys. It must always return the same.
	FilterRange() (from, to []byte)
}

// Decision is the result of a Filter for an entry.
type Decision uint8

const (
	// Keep leaves the entry unchanged.
	Keep Decision = iota
	// Drop removes the entry. A set becomes a delete of its key; of an appended value, only
	// this piece is removed.
	Drop
	// Replace replaces the value by NewValue.
	Replace
)

// FilterEntry is an entry on which a Filter decides.
type FilterEntry struct {
	// Key is the key of the entry.
	Key []byte
	// Value is the value. If the value is too large for memory, it is its beginning.
	Value []byte
	// Size is the size of the whole value in bytes.
	Size int64
	// Appended is set if the value is a piece that was appended to the value in older runs.
	Appended bool

	// Decision is set by the Filter; Keep by default.
	Decision Decision
	// NewValue must stay unchanged until the batch is written. If it is larger than both
	// MaxValueSize and the old value, the compaction fails with ErrTooLarge and changes
	// nothing.
	NewValue []byte
}

// checkNew returns an error if the new value of an entry is too large. A value that appends
// have made larger than the limit may be replaced by one of the same size.
func (c *Config) checkNew(e *FilterEntry) error {
	limit := max(c.MaxValueSize, e.Size)
	if size := int64(len(e.NewValue)); e.Decision == Replace && size > limit {
		return c.TooLarge(size, limit)
	}
	return nil
}

const (
	// filterBatchEntries bounds the entries of a batch for Filter.Decide.
	filterBatchEntries = 256
	// FilterBatchBytes bounds the bytes of a batch for Filter.Decide.
	FilterBatchBytes = 256 << 10
)

// filterBatch collects entries until the Filter decides on them.
type filterBatch struct {
	entries []run.Entry
	asked   []FilterEntry // entries that have a value
	index   []int         // for each element of asked: its index in entries
	bytes   int64
}

// filter adds the merger's current entry to the batch for the Filter.
func (w *runWriter) filter(m *merge.Merger) error {
	b := &w.batch
	e := run.Entry{Key: slices.Clone(m.Key), Kind: m.Kind}
	if m.Kind.HasValue() {
		size := m.Lookup.Size()
		if size > FilterBatchBytes {
			return w.filterLarge(e, m)
		}
		value, err := m.Lookup.AppendTo(nil)
		if err != nil {
			return err
		}
		e.Value.Bytes = value
		b.ask(len(b.entries), FilterEntry{Key: e.Key, Value: value, Size: size, Appended: e.Kind == run.Append})
		b.bytes += size
	}
	b.entries = append(b.entries, e)
	b.bytes += int64(len(e.Key))
	if len(b.entries) < filterBatchEntries && b.bytes < FilterBatchBytes {
		return nil
	}
	return w.decide()
}

// ask asks the Filter about the entry at an index.
func (b *filterBatch) ask(at int, e FilterEntry) {
	b.asked = append(b.asked, e)
	b.index = append(b.index, at)
}

// filterLarge decides on an entry whose value is not read into memory. It ends the batch.
func (w *runWriter) filterLarge(e run.Entry, m *merge.Merger) error {
	e.Value = m.Value()
	beginning := make([]byte, FilterBatchBytes)
	n, err := readFull(e.Value.Reader(), beginning)
	if err != nil {
		return err
	}
	b := &w.batch
	b.ask(len(b.entries), FilterEntry{Key: e.Key, Value: beginning[:n], Size: m.Lookup.Size(), Appended: e.Kind == run.Append})
	b.entries = append(b.entries, e)
	return w.decide()
}

// decide asks the Filter about the batch, and writes the remaining entries.
func (w *runWriter) decide() error {
	b := &w.batch
	if len(b.asked) > 0 {
		if err := w.c.Decide(b.asked); err != nil {
			return err
		}
	}
	for i, at := range b.index {
		asked := &b.asked[i]
		if err := w.c.checkNew(asked); err != nil {
			return fmt.Errorf("new value of the filter: %w", err)
		}
		b.apply(at, asked)
	}
	for i := range b.entries {
		if e := &b.entries[i]; e.Kind != 0 {
			if err := w.put(e); err != nil {
				return err
			}
		}
	}
	*b = filterBatch{entries: b.entries[:0], asked: b.asked[:0], index: b.index[:0]}
	return nil
}

// apply applies the decision on an entry. Kind 0 marks a removed entry.
func (b *filterBatch) apply(at int, asked *FilterEntry) {
	e := &b.entries[at]
	switch asked.Decision {
	case Drop:
		e.Value = run.Value{}
		if e.Kind = 0; !asked.Appended {
			e.Kind = run.Delete
		}
	case Replace:
		e.Value = run.Value{Bytes: asked.NewValue}
	}
}

// readFull reads until b is full or r ends.
func readFull(r io.Reader, b []byte) (int, error) {
	n, err := io.ReadFull(r, b)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil
	}
	return n, err
}
