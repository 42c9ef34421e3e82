package lsm

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/weirstate/weir/internal/slab"
	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/sstable"
)

// Budget is a limit on the memory of one or several stores: memtables, cached blocks, filters,
// indexes, and claims for memory that belongs to no store.
//
// Thread safety: safe for concurrent use.
type Budget struct {
	slabs *slab.Budget
	cache *sstable.Cache
	// handles limits the number of open tables, and their indexes and filters to half of the
	// budget.
	handles *sstable.Handles
	// readahead is the memory for larger read buffers of scans, in addition to the budget.
	readahead *slab.Allowance
	// sealedBytes is the memory of the sealed memtables that are not in a tree yet.
	sealedBytes atomic.Int64
	gapBytes    atomic.Int64 // memory of the gaps of all stores

	// activeBytes is the memory of the active memtables, as last reported by their stores.
	activeBytes atomic.Int64
	leastShared int64        // leastSharedBytes; tests lower it
	claimLimit  atomic.Int64 // see Claim.Limit

	// jobs limits the flushes and compactions that run at a time in all stores.
	jobs *jobs

	mu           sync.Mutex
	stores       []*budgetShare // stores that are open, or have open iterators
	claims       []*Claim       // ordered by size
	freed        chan struct{}  // closed and replaced after each flush
	flushesStuck bool           // no flush has finished for a long time: waiting is useless
	closed       bool
}

// readaheadShare limits the read buffers of scans to this fraction (1/8) of the budget.
const readaheadShare = 8

// gapShare limits the memory of gaps to this fraction (1/64) of the budget.
const gapShare = 64

// NewBudget returns a budget of the given size, at least 4 MiB; 0 means 64 MiB. Its cache takes
// blocks up to the default of Options.BlockBytes, 4 KiB; larger blocks are not cached. Close
// the budget when no store uses it any more.
func NewBudget(bytes int64) *Budget { return newBudget(bytes, sstable.DefaultBlockBytes) }

// newBudget is NewBudget with a cache for blocks of up to blockBytes.
func newBudget(bytes int64, blockBytes int) *Budget {
	slabs := slab.NewBudget(bytes)
	return &Budget{
		slabs: slabs, cache: sstable.NewCache(slabs, blockBytes), freed: make(chan struct{}),
		readahead:   slab.NewAllowance(slabs.Limit() / readaheadShare),
		handles:     sstable.NewHandles(DefaultMaxOpenFiles, slabs.Limit()/2),
		leastShared: leastSharedBytes,
		jobs:        newJobs(),
	}
}

// DefaultMaxOpenFiles is the default number of tables that the stores of a budget keep open.
// With the other files of each store, 200 small stores stay below 1,024 open files, the usual
// limit of a process.
const DefaultMaxOpenFiles = 400

// LimitOpenFiles limits the number of tables that the stores of the budget keep open; the
// default is DefaultMaxOpenFiles. To read a table that is not open, the store opens it and
// reads its index and filter again. Tables in use by iterators and compactions stay open above
// the limit. In addition each store keeps at most five other files open.
func (b *Budget) LimitOpenFiles(files int) { b.handles.SetLimit(files) }

// Limit returns the size of the budget in bytes.
func (b *Budget) Limit() int64 { return b.slabs.Limit() }

// Used returns the memory in use in bytes. It includes claims.
func (b *Budget) Used() int64 { return b.slabs.Used() }

// Close frees the memory of the budget, which is outside Go's heap. While a store of the budget
// or one of its iterators is open, Close returns ErrOpen and changes nothing. A second Close
// does nothing. Open with a closed budget returns ErrClosed.
func (b *Budget) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := len(b.stores); n > 0 {
		return fmt.Errorf("budget of %d bytes: %s or their iterators are %w: close them first",
			b.Limit(), counted(n, "store", "stores"), ErrOpen)
	}
	if !b.closed {
		b.closed = true
		b.cache.Close()
		b.slabs.Close()
	}
	return nil
}

// Stores returns the number of stores that use the budget. A closed store counts until its last
// iterator is closed.
func (b *Budget) Stores() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.stores)
}

// counted returns a number with its noun: "1 store", "2 stores".
func counted(n int, one, many string) string {
	if n == 1 {
		many = one
	}
	return fmt.Sprint(n, " ", many)
}

// addStore adds a store to the budget, which cannot be closed until removeStore.
func (b *Budget) addStore(s *budgetShare) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return fmt.Errorf("budget of %d bytes: %w", b.Limit(), ErrClosed)
	}
	b.stores = append(b.stores, s)
	b.shareCache()
	return nil
}

// removeStore removes a store from the budget.
func (b *Budget) removeStore(s *budgetShare) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stores = slices.DeleteFunc(b.stores, func(other *budgetShare) bool { return other == s })
	b.shareCache()
}

// shareCache limits the cache to half of the budget if several stores share it. A store cannot
// evict the blocks of a store whose lock is held; the other half of the budget is for its
// memtable in that case. The caller holds the mutex.
func (b *Budget) shareCache() {
	most := b.Limit()
	if len(b.stores) > 1 {
		most /= 2
	}
	b.cache.SetLimit(most)
}

// addSealed counts the memory of a sealed run.
func (b *Budget) addSealed(r *version.SealedRun) {
	r.BudgetedBytes = r.Table.Bytes() + sortedEntryBytes*int64(r.Table.Len())
	b.sealedBytes.Add(r.BudgetedBytes)
}

// sortedEntryBytes is the memory per entry for sorting a run: see memtable.
const sortedEntryBytes = 16

// removeSealed ends the counting of a run, once: when the run is in the tree, or is released.
// The caller holds the lock of its store.
func (b *Budget) removeSealed(r *version.SealedRun) {
	if r.BudgetedBytes == 0 {
		return
	}
	b.sealedBytes.Add(-r.BudgetedBytes)
	r.BudgetedBytes = 0
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.freed)
	b.freed, b.flushesStuck = make(chan struct{}), false
}
