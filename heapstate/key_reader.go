package heapstate

import (
	"bytes"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/weirstate/weir/internal/slotindex"
	"github.com/weirstate/weir/state/backend"
)

// keyReader finds rows of one state of a view by key.
//
// The hash index is not part of a snapshot: the task continues to change it. So the reader
// sorts the slots of a key group at the first query for a key of the group, and uses binary
// search from then on. The task is not involved. It takes 4 bytes for each row of the queried
// groups. The B-tree has its slots in order; for a hash table the reader first groups all slots
// by key group, once per view.
//
// Readers take no lock against the task, because the task never writes to memory that they
// reach: the task copies a page of rows before it changes the page (internal/cow), values are
// immutable, a list only grows after the length that the snapshot has, and a map is copied at
// its first change. Memory that a single read needs, such as for encoded keys, belongs to the
// table that the read takes from the pool tables.
//
// Thread safety: any number of goroutines, until the pin of the view is closed.
type keyReader struct {
	first   uint16                     // the first key group of ordered
	ordered []atomic.Pointer[[]uint32] // sorted slots by key group; nil until the first query
	tables  sync.Pool                  // of backend.FrozenTable, each used by one read at a time

	mu    sync.Mutex // held while slots are sorted; guards table and index
	table backend.FrozenTable
	index slotindex.Ordered
}

func newKeyReader(rows *frozenRows, groups backend.GroupRange) *keyReader {
	return &keyReader{
		first:   groups.First,
		ordered: make([]atomic.Pointer[[]uint32], groups.Len()),
		tables:  sync.Pool{New: func() any { return rows.table.Reader() }},
		table:   rows.table.Reader(),
		index:   rows.index.(slotindex.Ordered).Reader(),
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
		ordered := r.index.Slots(r.table, group)
		slots = &ordered
		at.Store(slots)
	}
	return *slots
}

// get is backend.KeyView.Get. Rest is the composite key after its header.
func (r *keyReader) get(group uint16, rest, dst []byte) (value []byte, ok bool, err error) {
	slot, suffix, ok, err := r.table.Find(r.slots(group), rest)
	if !ok {
		return dst, false, err
	}
	return r.table.Value(slot, suffix, dst)
}

// scan is backend.KeyView.ScanPrefix. Prefix and from are composite keys after their headers.
func (r *keyReader) scan(group uint16, prefix, from []byte, yield func(key, value []byte) error) error {
	slot, suffix, ok, err := r.table.Find(r.slots(group), prefix)
	switch {
	case err != nil:
		return err
	case len(suffix) > 0 || !bytes.HasPrefix(from, prefix):
		return fmt.Errorf("scan of a prefix: want key and namespace only, and a start that begins with them; the prefix has a suffix of %d bytes: %w", len(suffix), backend.ErrInvalid)
	case !ok:
		return nil
	}
	table := r.tables.Get().(backend.FrozenTable)
	defer r.tables.Put(table)
	return table.RowsFrom(slot, group, from[len(prefix):], yield)
}
