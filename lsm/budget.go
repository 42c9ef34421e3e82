package lsm

import (
	"sync/atomic"

	"github.com/weirstate/weir/internal/slab"
	"github.com/weirstate/weir/sstable"
)

// Budget is memory that stores have together: for memtables, blocks of files,
// filters and indexes.
//
// Thread safety: safe for concurrent use.
type Budget struct {
	slabs *slab.Budget
	cache *sstable.Cache
	// sealedBytes is what memtables took when they were sealed, of those that are not
	// in a tree yet.
	sealedBytes atomic.Int64
}

// NewBudget returns a budget of so many bytes, at least 4 MiB; 0 is 64 MiB.
// Blocks are cached that are no larger than the default of Options.BlockBytes. It
// lasts as long as the process, or until Close.
func NewBudget(bytes int64) *Budget { return newBudget(bytes, sstable.DefaultBlockBytes) }

func newBudget(bytes int64, blockBytes int) *Budget {
	slabs := slab.NewBudget(bytes)
	return &Budget{slabs: slabs, cache: sstable.NewCache(slabs, blockBytes)}
}

// Limit is the size of the budget in bytes.
func (b *Budget) Limit() int64 { return b.slabs.Limit() }

// Used is what is in use, in bytes.
func (b *Budget) Used() int64 { return b.slabs.Used() }

// Close gives back the memory that was kept to be used again, which the collector
// does not. All stores of the budget must be closed, and their iterators, or they
// read memory that is gone. A second Close does nothing.
func (b *Budget) Close() {
	b.cache.Close()
	b.slabs.Close()
}

// enter takes down what a run that was sealed takes.
func (b *Budget) enter(r *sealedRun) {
	r.takes = r.table.Bytes()
	b.sealedBytes.Add(r.takes)
}

// leave ends what enter began, once: when the run is in the tree, or is given up. The
// lock of its store is held.
func (b *Budget) leave(r *sealedRun) {
	b.sealedBytes.Add(-r.takes)
	r.takes = 0
}
