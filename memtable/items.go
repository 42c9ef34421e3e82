package memtable

import (
	"unsafe"

	"github.com/weirstate/weir/internal/slab"
)

// item is a record or a node in an order: its place, and eight bytes of its key.
type item struct {
	head uint64
	ref  uint64
}

// items are memory of a budget.
type items []item

const itemBytes = int(unsafe.Sizeof(item{}))

// newItems returns n items with any content. The region is seen as items, not as
// bytes that are encoded and decoded: a sort spends its time in them. Regions
// begin at a multiple of 8, and items have no pointers.
func newItems(b *slab.Budget, n int) items {
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*item)(unsafe.Pointer(unsafe.SliceData(b.Alloc(n*itemBytes)))), n)
}

// free gives the memory back.
func (s items) free(b *slab.Budget) {
	if len(s) > 0 {
		b.Free(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*itemBytes))
	}
}
