package slotindex

import "github.com/weirstate/weir/state/backend"

// Ordered is a frozen index that also returns all slots of a key group at once, for a binary
// search by key. The frozen index of NewHash implements it.
type Ordered interface {
	backend.FrozenIndex
	// Reader returns the same index for another goroutine.
	Reader() Ordered
	// Slots returns the slots of a key group in the order of Ascend. The caller keeps the
	// slice; the index does not change it later.
	Slots(t backend.FrozenTable, group uint16) []uint32
}
