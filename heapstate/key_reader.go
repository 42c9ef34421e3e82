package heapstate

import (
	"bytes"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/weirstate/weir/state/backend"
)

// keyReader finds rows of one state of a view by key.
//
// The hash index is no part of a snapshot: the task goes on writing to it. So the reader
// puts the slots of a key group in order when a key of the group is first asked for, and
// searches them by halves from then on. That takes nothing from the task, and 4 bytes for
// each row of the groups that are asked for. The B-tree has its slots in order; a hash table
// deals all of them out to key groups first, once for each view.
//
// Readers need no lock beside a task that writes, since it never writes to memory that they
// reach: rows lie in pages that the task copies before it changes them (internal/cow), values
// are immutable once they are handed over, a list grows only after the length that the
// snapshot has, and a map is copied at its first change. The memory that is private to a
// read, such as that of encoded keys, belongs to the table that the reader takes from tables.
//
// Thread safety: any number of goroutines, until the pin of the view is closed.
type keyReader struct {
	first   uint16                     // key group
	ordered []atomic.Pointer[[]uint32] // slots by key group, from first on; nil until asked for
	tables  sync.Pool                  // of backend.FrozenTable, for one read each

	mu    sync.Mutex // held while slots are put in order
	table backend.FrozenTable
	index orderedIndex
}

// orderedIndex is a frozen index as a keyReader uses it.
type orderedIndex interface {
	backend.FrozenIndex
	// reader returns the same index for one more goroutine.
	reader() orderedIndex
	// ordered returns the slots of a key group in the order of Ascend. They are never
	// written again.
	ordered(t backend.FrozenTable, group uint16) []uint32
}

func newKeyReader(rows *frozenRows, groups backend.GroupRange) *keyReader {
	return &keyReader{
		first:   groups.First,
		ordered: make([]atomic.Pointer[[]uint32], groups.Len()),
		tables:  sync.Pool{New: func() any { return rows.table.Reader() }},
		table:   rows.table.Reader(),
		index:   rows.index.(orderedIndex).reader(),
	}
}

// slots returns the slots of a key group in order.
func (r *keyReader) slots(group uint16) []uint32 {
	at := &r.ordered[group-r.first]
	if slots := at.Load(); slots != nil {
		return *slots
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	slots := at.Load()
	if slots == nil {
		ordered := r.index.ordered(r.table, group)
		slots = &ordered
		at.Store(slots)
	}
	return *slots
}

// get is backend.KeyView.Get for what follows the header of a composite key.
func (r *keyReader) get(group uint16, rest, dst []byte) (value []byte, ok bool, err error) {
	slot, suffix, ok, err := r.table.Find(r.slots(group), rest)
	if !ok {
		return dst, false, err
	}
	return r.table.Value(slot, suffix, dst)
}

// scan is backend.KeyView.ScanPrefix for what follows the headers.
func (r *keyReader) scan(group uint16, prefix, from []byte, yield func(key, value []byte) error) error {
	slot, suffix, ok, err := r.table.Find(r.slots(group), prefix)
	switch {
	case err != nil:
		return err
	case len(suffix) > 0 || !bytes.HasPrefix(from, prefix):
		return fmt.Errorf("scan of a prefix with a suffix of %d bytes, from another one or not: %w", len(suffix), backend.ErrInvalid)
	case !ok:
		return nil
	}
	table := r.tables.Get().(backend.FrozenTable)
	defer r.tables.Put(table)
	return table.RowsFrom(slot, group, from[len(prefix):], yield)
}
