package compaction

import (
	"fmt"
	"io"
	"slices"

	"github.com/weirstate/weir/lsm/internal/merge"
	"github.com/weirstate/weir/run"
)

// Filter decides on entries when they are compacted: state that has expired goes,
// and values move to a newer form. It sees an entry once in a while and maybe
// never, so it must not be the only one that decides. It is called by one
// goroutine at a time, not the owner's.
type Filter interface {
	// Decide looks at entries, in the order of their keys, and sets Decision
	// where one is not to stay as it is. Keys and values are good until it
	// returns. A panic of it is ErrFailed for the store: see PanicError.
	Decide(batch []FilterEntry)
}

// RangeFilter is a Filter that keeps most keys, and is not asked about them: entries
// that are asked about are copied.
type RangeFilter interface {
	Filter
	// FilterRange is what it is asked about: the keys from from to to, excluded; nil
	// is beyond the highest. It is always the same.
	FilterRange() (from, to []byte)
}

// Decision is what becomes of an entry.
type Decision uint8

const (
	// Keep leaves it as it is.
	Keep Decision = iota
	// Drop takes it away. For a whole value that is as if the key had been
	// deleted; of what was appended only this piece goes.
	Drop
	// Replace gives it NewValue.
	Replace
)

// FilterEntry is an entry that a Filter decides on.
type FilterEntry struct {
	Key []byte
	// Value is the value, or the beginning of one that is too large for memory;
	// Size has its size.
	Value []byte
	Size  int64
	// Appended says that the value is a piece that was appended to what older
	// runs have.
	Appended bool

	Decision Decision
	// NewValue is kept until the batch is written. One above the limit of values
	// is ErrTooLarge, unless it replaces one that is as large: the compaction
	// changes nothing.
	NewValue []byte
}

// checkNew returns an error if there is a new value and it is too large. Values that
// appends have made so may go on.
func (c *Config) checkNew(e *FilterEntry) error {
	limit := max(c.MaxValueSize, e.Size)
	if size := int64(len(e.NewValue)); e.Decision == Replace && size > limit {
		return c.TooLarge(size, limit)
	}
	return nil
}

const (
	// filterBatchEntries bounds what a Filter decides on at a time.
	filterBatchEntries = 256
	FilterBatchBytes   = 256 << 10
)

// filterBatch is entries that wait for the decision of a Filter.
type filterBatch struct {
	entries []run.Entry
	asked   []FilterEntry // those with a value; index says which
	index   []int
	bytes   int64
}

// filter takes the current entry of a merger for the Filter.
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

func (b *filterBatch) ask(at int, e FilterEntry) {
	b.asked = append(b.asked, e)
	b.index = append(b.index, at)
}

// filterLarge decides on an entry whose value stays in its file.
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

// decide asks the Filter and writes what is left.
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

// apply carries out a decision. A kind of 0 is no entry.
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

// readFull reads until b is full or there is no more.
func readFull(r io.Reader, b []byte) (int, error) {
	n, err := io.ReadFull(r, b)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil
	}
	return n, err
}
