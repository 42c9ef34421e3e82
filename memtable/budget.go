package memtable

import "github.com/weirstate/weir/internal/slab"

// Budget is the amount of memory that memtables, blocks and filters of one or several trees
// share. A tree passes its budget to NewMemtable. Get, Alloc and Take never fail: at the limit
// they ask the block cache to give memory back, and then exceed the limit.
//
// A memtable on Go's heap may ignore the budget. It is better to count its memory: Take as the
// table grows, Give in Close. A memtable outside the heap gets slabs of SlabBytes bytes with Get
// and Put, or regions of any size with Alloc and Free. Limit, Used and Peak return the state of
// the budget. The other methods are for the hash table and the block cache of this module.
//
// Thread safety: safe for concurrent use.
type Budget = slab.Budget

// SlabBytes is the size of a slab, which Budget.Get returns and Budget.Put takes.
const SlabBytes = slab.Bytes

// NewBudget returns a budget with a limit in bytes, for tests and for tables without a tree. 0
// means 64 MiB; a limit below 4 MiB is raised to 4 MiB.
func NewBudget(bytes int64) *Budget { return slab.NewBudget(bytes) }
