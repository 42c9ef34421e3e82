package state

import "github.com/weirstate/weir/internal/cow"

// namespaces gives every namespace in use a small number, so that a row pays
// four bytes for it at the most and compares it at once. Number 0 is the void
// namespace. A number is in use while a row or a handle holds it.
//
// Thread safety: as for the table it belongs to.
type namespaces struct {
	numbers map[string]uint32 // nil until a namespace is interned, as holders
	names   cow.Array[[]byte]
	holders []uint64 // by number
	free    []uint32
}

func newNamespaces(u *Unit) *namespaces {
	return &namespaces{names: cow.NewArray[[]byte](u)}
}

// intern returns the number of a namespace, which is held until release.
func (n *namespaces) intern(namespace []byte) uint32 {
	if len(namespace) == 0 {
		return 0
	}
	number, ok := n.numbers[string(namespace)]
	if !ok {
		if n.numbers == nil {
			n.numbers, n.holders = make(map[string]uint32), make([]uint64, 1)
		}
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
