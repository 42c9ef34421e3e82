package state

import (
	"math/bits"
	"unsafe"

	"github.com/weirstate/weir/state/codec"
)

// tierRowBytes is the memory of the rows of a tierTable without what their keys and values refer to.
//
// Rows lie in slots, and some slots are free: a page of the hash index is split when 7/8 of its slots
// are used, and then two pages have 7/16. A row is charged as if 3/4 of all slots were used. Slack
// is the difference to the slots that exist.
type tierRowBytes struct {
	page int64 // memory of 64 slots
	row  int64 // charge of a row
}

// tierRowBytesOf returns the memory of rows of type R.
func tierRowBytesOf[R any]() tierRowBytes {
	var row R
	page := allocatedBytes(int64(unsafe.Sizeof(row))*64) + slotOverhead*64
	return tierRowBytes{page: page, row: page / (64 * 3 / 4)}
}

// slotOverhead is the memory of a slot without its row, in bytes: 1 in the hash index, 1/8 each in
// tierTable.recent and table.used, 1/4 in directories of pages, and the rest in other columns.
const slotOverhead = 2

// namespaceBytes is the memory of a slot for the ID of its namespace.
const namespaceBytes = 4

// charge returns the charge of a row with an encoded key, without what its value refers to.
func (t *tierTable[K, R]) charge(encoded []byte) int64 {
	if t.declaredOn.keySize >= 0 {
		return t.rowBytes.row
	}
	return t.rowBytes.row + allocatedBytes(int64(len(encoded)))
}

// Slack implements backend.TierTable.
func (t *tierTable[K, R]) Slack() int64 {
	page := t.rowBytes.page
	if t.namespaces != nil {
		page += 64 * namespaceBytes
	}
	return int64(t.slots+63)/64*page - int64(t.len)*t.rowBytes.row
}

// sizeOf returns a function for the memory that a value refers to, or nil if that is nothing.
func sizeOf[V any](c codec.Codec[V]) func(V) int64 {
	if _, ok := codec.ConstantSize(c); ok {
		return nil
	}
	return func(v V) int64 {
		size, err := c.Size(v)
		if err != nil {
			return 0 // a value that is stored has an encoding
		}
		return allocatedBytes(size)
	}
}

// allocatedBytes returns approximately the memory that Go's allocator takes for an object of a size.
// Its size classes are 8, 16, 24, 32, 48, 64, 80 bytes and so on, at most 1/4 apart.
func allocatedBytes(size int64) int64 {
	step := max(8, int64(1)<<bits.Len64(uint64(size))/8)
	if size > 32 {
		step = max(step, 16)
	}
	return (size + step - 1) / step * step
}
