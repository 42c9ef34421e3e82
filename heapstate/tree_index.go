package heapstate

import (
	"github.com/google/btree"

	"github.com/weirstate/weir/state/backend"
)

// treeDegree gives nodes of 31 to 63 items of 16 bytes: a node is at most
// 1 KiB.
const treeDegree = 32

// lowest, in the place of a slot, sorts before every slot with the same group
// and prefix. A table never reaches it.
const lowest = backend.Probed - 1

// treeIndex is a B-tree of slots, ordered by key group, key and namespace. A
// snapshot is a clone of the tree; nodes are copied when they are next written.
type treeIndex struct {
	table backend.Table
	tree  *btree.BTreeG[treeItem]
	free  []uint32 // slots below next that hold no row
	next  uint32   // slots from here on hold no row
	// coming is the slot that is being inserted, whose row is still only the
	// probed one; else Probed.
	coming uint32
}

// treeItem holds enough of the key to decide most comparisons without a look
// at the rows.
type treeItem struct {
	prefix uint64
	slot   uint32
	group  uint16
}

func newTreeIndex(t backend.Table, free *btree.FreeListG[treeItem]) *treeIndex {
	x := &treeIndex{table: t, coming: backend.Probed}
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

// slotOf is where the row of an item is to be looked at.
func (x *treeIndex) slotOf(i treeItem) uint32 {
	if i.slot == x.coming {
		return backend.Probed
	}
	return i.slot
}

// probed is an item for the probed row.
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
	x.coming = slot
	x.tree.ReplaceOrInsert(x.probed(slot))
	x.coming = backend.Probed
	return slot, nil
}

// Delete implements backend.Index.
func (x *treeIndex) Delete(_ uint64, slot uint32) {
	x.tree.Delete(x.probed(backend.Probed))
	if x.tree.Len() == 0 {
		x.tree.Clear(true) // the last node goes to the list of free ones
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

// frozenTree is a clone. Walking it compares bounds with items by group and
// prefix alone, so it never looks at the live table.
type frozenTree struct {
	tree  *btree.BTreeG[treeItem]
	batch slotBatch
}

// Ascend implements backend.FrozenIndex.
func (f *frozenTree) Ascend(t backend.FrozenTable, group uint16, yield func(slot uint32) error) (err error) {
	f.batch.begin(t, group, yield)
	f.walk(group, func(slot uint32) bool {
		err = f.batch.add(slot)
		return err == nil
	})
	if err != nil {
		return err
	}
	return f.batch.flush()
}

// walk calls yield with the slots of a key group in order, until it returns false.
func (f *frozenTree) walk(group uint16, yield func(slot uint32) bool) {
	f.tree.AscendGreaterOrEqual(treeItem{slot: lowest, group: group}, func(i treeItem) bool {
		return i.group == group && yield(i.slot)
	})
}

// reader implements orderedIndex.
func (f *frozenTree) reader() orderedIndex { return &frozenTree{tree: f.tree} }

// ordered implements orderedIndex.
func (f *frozenTree) ordered(_ backend.FrozenTable, group uint16) (slots []uint32) {
	f.walk(group, func(slot uint32) bool {
		slots = append(slots, slot)
		return true
	})
	return slots
}
