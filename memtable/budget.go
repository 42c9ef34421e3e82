package memtable

import "github.com/weirstate/weir/internal/slab"

// Budget is the amount of memory that the memtables, blocks and filters of one or
// several trees share. A tree hands its own to NewMemtable. Get, Alloc and Take may
// exceed the limit: they never fail, and ask the block cache to give memory back.
//
// A memtable on Go's heap may ignore the budget. Better, it counts its memory: Take adds
// bytes as the table grows, Give subtracts them in Close. A memtable off the heap asks
// for slabs (Get and Put, SlabBytes each) or for regions of any size (Alloc and Free).
// Limit, Used and Peak tell where the budget stands. The other methods serve the
// memtable and the block cache of this module.
//
// Thread safety: safe for concurrent use.
type Budget = slab.Budget

// SlabBytes is the size of a slab, which Budget.Get returns and Budget.Put takes.
const SlabBytes = slab.Bytes

// NewBudget returns a budget, for tests and for tables without a tree: 0 bytes are
// 64 MiB, and at least 4 MiB are given.
func NewBudget(bytes int64) *Budget { return slab.NewBudget(bytes) }
