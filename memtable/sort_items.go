package memtable

import (
	"unsafe"

	"github.com/weirstate/weir/internal/slab"
)

// item is a record or node while it is sorted: its ref, and eight bytes of its key.
type item struct {
	head uint64
	ref  uint64
}

// items is a slice of items in a region of the budget.
type items []item

const itemBytes = int(unsafe.Sizeof(item{}))

// newItems returns n items with undefined content. The region is used as items directly, without
// encoding, because a sort spends its time in them. That is safe: regions are aligned to 8 bytes,
// and an item has no pointers.
func newItems(b *slab.Budget, n int) items {
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*item)(unsafe.Pointer(unsafe.SliceData(b.Alloc(n*itemBytes)))), n)
}

// free returns the region to the budget.
func (s items) free(b *slab.Budget) {
	if len(s) > 0 {
		b.Free(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*itemBytes))
	}
}
