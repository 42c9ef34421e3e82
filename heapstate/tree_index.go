package heapstate

import (
	"github.com/google/btree"

	"github.com/weirstate/weir/internal/slotindex"
	"github.com/weirstate/weir/state/backend"
)

// treeDegree gives nodes of 31 to 63 items of 16 bytes, so that a node takes at most 1 KiB.
const treeDegree = 32

// lowest is a slot number that sorts before every slot with the same group and prefix. No row
// has it.
const lowest = backend.Probed - 1

// treeIndex finds the slot of a row in a B-tree of slots that is ordered by key group, key and
// namespace. The rows are in the table; an item of the tree has the first eight bytes of its
// key, so that most comparisons need not read the rows. A snapshot is a clone of the tree,
// which takes constant time: both trees share nodes and copy a node before they change it.
type treeIndex struct {
	table backend.Table
	tree  *btree.BTreeG[treeItem]
	free  []uint32 // slots below next without a row
	next  uint32   // no slot from here on has a row
	// inserting is the slot that Insert adds to the tree, Probed at other times. Its row is
	// not in the table yet: comparisons use the probed row instead.
	inserting uint32
}

// treeItem is a slot, the key group of its row, and the first eight bytes of the row's key.
type treeItem struct {
	prefix uint64
	slot   uint32
	group  uint16
}

func newTreeIndex(t backend.Table, free *btree.FreeListG[treeItem]) *treeIndex {
	x := &treeIndex{table: t, inserting: backend.Probed}
	x.tree = btree.NewWithFreeListG(treeDegree, func(a, b treeItem) bool {
		switch {
		case a.group != b.group:
			return a.group < b.group
		case a.prefix != b.prefix:
			return a.prefix < b.prefix
		case a.slot == lowest || b.slot == lowest:
			return a.slot == lowest && b.slot != lowest
		case a.slot == b.slot:
			return false
		}
		return x.table.Compare(x.slotOf(a), x.slotOf(b)) < 0
	}, free)
	return x
}

// slotOf returns the slot for Table.Compare of an item.
func (x *treeIndex) slotOf(i treeItem) uint32 {
	if i.slot == x.inserting {
		return backend.Probed
	}
	return i.slot
}

// probed returns an item for the probed row with the given slot.
func (x *treeIndex) probed(slot uint32) treeItem {
	group, prefix := x.table.Probed()
	return treeItem{prefix, slot, group}
}

// Find implements backend.Index.
func (x *treeIndex) Find(uint64) (slot uint32, ok bool) {
	found, ok := x.tree.Get(x.probed(backend.Probed))
	return found.slot, ok
}

// Insert implements backend.Index.
func (x *treeIndex) Insert(uint64) (uint32, error) {
	slot := x.next
	switch last := len(x.free) - 1; {
	case last >= 0:
		slot, x.free = x.free[last], x.free[:last]
	case slot == lowest:
		return 0, backend.ErrFull
	default:
		x.next++
	}
	x.inserting = slot
	x.tree.ReplaceOrInsert(x.probed(slot))
	x.inserting = backend.Probed
	return slot, nil
}

// Delete implements backend.Index.
func (x *treeIndex) Delete(_ uint64, slot uint32) {
	x.tree.Delete(x.probed(backend.Probed))
	if x.tree.Len() == 0 {
		x.tree.Clear(true) // returns the last node to the free list
		x.next, x.free = 0, x.free[:0]
		return
	}
	x.free = append(x.free, slot)
}

// Reset implements backend.Index.
func (x *treeIndex) Reset() {
	x.tree.Clear(true)
	x.next, x.free = 0, nil
}

// Freeze implements backend.Index.
func (x *treeIndex) Freeze() backend.FrozenIndex { return &frozenTree{tree: x.tree.Clone()} }

// frozenTree is a clone of a treeIndex's tree. A walk over it compares only group and prefix,
// never the rows, so it does not read the live table.
type frozenTree struct {
	tree  *btree.BTreeG[treeItem]
	batch slotindex.Batch
}

// Ascend implements backend.FrozenIndex.
func (f *frozenTree) Ascend(t backend.FrozenTable, group uint16, yield func(slot uint32) error) (err error) {
	f.batch.Begin(t, group, yield)
	f.walk(group, func(slot uint32) bool {
		err = f.batch.Add(slot)
		return err == nil
	})
	if err != nil {
		return err
	}
	return f.batch.Flush()
}

// walk calls yield with the slots of a key group in order, until yield returns false.
func (f *frozenTree) walk(group uint16, yield func(slot uint32) bool) {
	f.tree.AscendGreaterOrEqual(treeItem{slot: lowest, group: group}, func(i treeItem) bool {
		return i.group == group && yield(i.slot)
	})
}

// Reader implements slotindex.Ordered.
func (f *frozenTree) Reader() slotindex.Ordered { return &frozenTree{tree: f.tree} }

// Slots implements slotindex.Ordered.
func (f *frozenTree) Slots(_ backend.FrozenTable, group uint16) (slots []uint32) {
	f.walk(group, func(slot uint32) bool {
		slots = append(slots, slot)
		return true
	})
	return slots
}
