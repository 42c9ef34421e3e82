package state

import (
	"github.com/weirstate/weir/internal/cow"
	"github.com/weirstate/weir/state/backend"
)

// namespaces gives every namespace in use a small number, so that a row pays
// four bytes for it at the most and compares it at once. Number 0 is the void
// namespace. A number is in use while a row or a handle holds it.
//
// Thread safety: as for the table it belongs to.
//
// A nil pointer holds the void namespace alone, as most tables do.
type namespaces struct {
	numbers map[string]uint32
	names   cow.Array[[]byte]
	within  cow.Array[uint32] // number of each slot of the table
	holders []uint64          // by number
	free    []uint32
}

func newNamespaces(u *backend.Unit) *namespaces {
	return &namespaces{
		numbers: make(map[string]uint32), holders: make([]uint64, 1),
		names: cow.NewArray[[]byte](u), within: cow.NewArray[uint32](u),
	}
}

// intern returns the number of a namespace, which is held until release.
func (t *table[K, V]) intern(namespace []byte) uint32 {
	if len(namespace) == 0 {
		return 0
	}
	if t.spaces == nil {
		t.unit.Touch() // a reader that takes the unit looks at spaces
		t.spaces = newNamespaces(t.unit)
	}
	return t.spaces.intern(namespace)
}

// intern is table.intern of a namespace that is not void.
func (n *namespaces) intern(namespace []byte) uint32 {
	number, ok := n.numbers[string(namespace)]
	if !ok {
		if last := len(n.free) - 1; last >= 0 {
			number, n.free = n.free[last], n.free[:last]
		} else {
			number = uint32(len(n.holders))
			n.holders = append(n.holders, 0)
		}
		name := string(namespace)
		n.numbers[name] = number
		*n.names.Mutable(number) = []byte(name)
	}
	n.holders[number]++
	return number
}

// name is the namespace with a number that is held. It must not be modified.
func (n *namespaces) name(number uint32) []byte {
	if number == 0 {
		return nil
	}
	return *n.names.At(number)
}

// frozenNamespaces is the namespaces of a table at a snapshot.
type frozenNamespaces struct {
	names  cow.Frozen[[]byte]
	within cow.Frozen[uint32]
}

// freeze returns the namespaces as they are now.
func (n *namespaces) freeze() frozenNamespaces {
	if n == nil {
		return frozenNamespaces{}
	}
	return frozenNamespaces{n.names.Freeze(), n.within.Freeze()}
}

// of returns the number of a slot's namespace, 0 if nothing put the slot into one.
func (n *namespaces) of(slot uint32) uint32 {
	if n == nil {
		return 0
	}
	return n.within.Get(slot)
}

// put puts a slot into a namespace whose number is held.
func (n *namespaces) put(slot, number uint32) {
	if number != n.of(slot) {
		*n.within.Mutable(slot) = number
	}
}

// unused reports whether no row and no handle is in a namespace but the void one.
func (n *namespaces) unused() bool { return n == nil || len(n.numbers) == 0 }

// hold adds a holder.
func (n *namespaces) hold(number uint32) {
	if number != 0 {
		n.holders[number]++
	}
}

// release takes a holder away; with the last one the number becomes free.
func (n *namespaces) release(number uint32) {
	if number == 0 {
		return
	}
	if n.holders[number]--; n.holders[number] > 0 {
		return
	}
	delete(n.numbers, string(n.name(number)))
	*n.names.Mutable(number) = nil
	n.free = append(n.free, number)
}
