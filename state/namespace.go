package state

import (
	"github.com/weirstate/weir/internal/cow"
	"github.com/weirstate/weir/state/backend"
)

// namespaces maps the namespaces that a heap table uses to small IDs, so that a row stores four
// bytes and comparing two rows compares two integers. ID 0 is the void namespace.
//
//	"w1" ──ids──► 1 ──names──► "w1"        slotIDs:  slot 0 1 2 3 4
//	"w2" ──ids──► 2 ──names──► "w2"                       1 0 1 2 0
//
// holders counts the rows and handles that use an ID. When the last one releases it, the ID
// becomes free and is given to the next new namespace.
//
// Invariant: a slot that holds a row has the ID of that row's namespace, and the ID is counted.
// Invariant: names and slotIDs are copy-on-write arrays; frozen copies of them resolve the
// namespaces of a snapshot after their IDs were given to other namespaces.
//
// A nil *namespaces is legal and means that all rows are in the void namespace, as in most
// tables.
//
// Thread safety: that of the table.
type namespaces struct {
	ids     map[string]uint32 // by namespace, without the void one
	names   cow.Array[[]byte] // by ID
	slotIDs cow.Array[uint32] // the ID of each slot of the table
	holders []uint64          // by ID
	free    []uint32          // IDs that were used and have no holder
}

func newNamespaces(u *backend.Unit) *namespaces {
	return &namespaces{
		ids: make(map[string]uint32), holders: make([]uint64, 1),
		names: cow.NewArray[[]byte](u), slotIDs: cow.NewArray[uint32](u),
	}
}

// intern returns the ID of a namespace and counts the caller as a holder, until release.
func (t *table[K, V]) intern(namespace []byte) uint32 {
	if len(namespace) == 0 {
		return 0
	}
	if t.namespaces == nil {
		t.unit.Touch() // freezing the unit reads t.namespaces
		t.namespaces = newNamespaces(t.unit)
	}
	return t.namespaces.intern(namespace)
}

// intern is table.intern for a namespace that is not empty.
func (n *namespaces) intern(namespace []byte) uint32 {
	id, ok := n.ids[string(namespace)]
	if !ok {
		if last := len(n.free) - 1; last >= 0 {
			id, n.free = n.free[last], n.free[:last]
		} else {
			id = uint32(len(n.holders))
			n.holders = append(n.holders, 0)
		}
		name := string(namespace)
		n.ids[name] = id
		*n.names.Mutable(id) = []byte(name)
	}
	n.holders[id]++
	return id
}

// name returns the namespace of an ID that has a holder. It must not be modified.
func (n *namespaces) name(id uint32) []byte {
	if id == 0 {
		return nil
	}
	return *n.names.At(id)
}

// frozenNamespaces holds the namespaces of a table at the time of a snapshot.
type frozenNamespaces struct {
	names   cow.Frozen[[]byte]
	slotIDs cow.Frozen[uint32]
}

// freeze returns the namespaces of the slots at this moment.
func (n *namespaces) freeze() frozenNamespaces {
	if n == nil {
		return frozenNamespaces{}
	}
	return frozenNamespaces{n.names.Freeze(), n.slotIDs.Freeze()}
}

// idAt returns the namespace ID of a slot.
func (n *namespaces) idAt(slot uint32) uint32 {
	if n == nil {
		return 0
	}
	return n.slotIDs.Get(slot)
}

// setID sets the namespace ID of a slot. The ID must have a holder.
func (n *namespaces) setID(slot, id uint32) {
	if id != n.idAt(slot) {
		*n.slotIDs.Mutable(slot) = id
	}
}

// unused reports whether all rows and handles are in the void namespace.
func (n *namespaces) unused() bool { return n == nil || len(n.ids) == 0 }

// retain adds a holder to an ID.
func (n *namespaces) retain(id uint32) {
	if id != 0 {
		n.holders[id]++
	}
}

// release removes a holder from an ID. Without holders the ID becomes free.
func (n *namespaces) release(id uint32) {
	if id == 0 {
		return
	}
	if n.holders[id]--; n.holders[id] > 0 {
		return
	}
	delete(n.ids, string(n.name(id)))
	*n.names.Mutable(id) = nil
	n.free = append(n.free, id)
}
