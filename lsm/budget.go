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

// Budget is memory that stores have together: for memtables, blocks of files,
// filters and indexes.
//
// Thread safety: safe for concurrent use.
type Budget struct {
	slabs *slab.Budget
	cache *sstable.Cache
	// handles bounds the tables that are open, and takes half of the budget at most for
	// their indexes and filters.
	handles *sstable.Handles
	// readahead is for the larger buffers of scans.
	readahead *slab.Allowance
	// sealedBytes is what memtables took when they were sealed, of those that are not
	// in a tree yet.
	sealedBytes atomic.Int64
	gapBytes    atomic.Int64 // what gaps take, of all stores

	// activeBytes is what active memtables take, as far as their stores have said.
	activeBytes atomic.Int64
	leastShared int64 // leastSharedBytes; tests lower it

	// flushes and compactions bound how many of each are under way in all stores: each
	// has buffers beside the budget.
	flushes, compactions slots

	mu     sync.Mutex
	stores []*budgetShare // of stores that are open, or have iterators that are
	freed  chan struct{}  // closed, and replaced, when a run was flushed
	inVain bool           // none was for so long that nobody waits for it
	closed bool
}

// readaheadShare is which part of a budget scans may have besides for reading ahead, one
// to eight.
const readaheadShare = 8

// gapShare is which part of the budget gaps of all its stores may take, one to so many.
const gapShare = 64

// NewBudget returns a budget of so many bytes, at least 4 MiB; 0 is 64 MiB.
// Blocks are cached that are no larger than the default of Options.BlockBytes. It
// lasts as long as the process, or until Close.
func NewBudget(bytes int64) *Budget { return newBudget(bytes, sstable.DefaultBlockBytes) }

func newBudget(bytes int64, blockBytes int) *Budget {
	slabs := slab.NewBudget(bytes)
	return &Budget{
		slabs: slabs, cache: sstable.NewCache(slabs, blockBytes), freed: make(chan struct{}),
		readahead:   slab.NewAllowance(slabs.Limit() / readaheadShare),
		handles:     sstable.NewHandles(DefaultMaxOpenFiles, slabs.Limit()/2),
		leastShared: leastSharedBytes,
		flushes:     make(slots, jobsAtATime), compactions: make(slots, jobsAtATime),
	}
}

// DefaultMaxOpenFiles is how many tables a budget keeps open. With the files that each store
// has open besides, 200 small stores stay below 1,024, the usual limit of a process.
const DefaultMaxOpenFiles = 400

// LimitOpenFiles bounds how many tables the stores of the budget keep open together; the
// default is DefaultMaxOpenFiles. A table beyond it is opened again, and its index and
// filter are read, when it is read next. Tables that iterators walk or a compaction reads
// stay open and may be more. Each store has a few other files open besides, five at most.
func (b *Budget) LimitOpenFiles(files int) { b.handles.SetLimit(files) }

// Limit is the size of the budget in bytes.
func (b *Budget) Limit() int64 { return b.slabs.Limit() }

// Used is what is in use, in bytes.
func (b *Budget) Used() int64 { return b.slabs.Used() }

// Close gives the memory back that was kept to be used again, which the collector
// does not. It returns ErrOpen, and changes nothing, while a store of the budget is
// open, or an iterator of a store that was closed. A second Close does nothing. Open
// with a closed budget returns ErrClosed.
func (b *Budget) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := len(b.stores); n > 0 {
		return fmt.Errorf("budget of %d bytes: %s, or iterators of closed ones, %w: close them first",
			b.Limit(), counted(n, "store", "stores"), ErrOpen)
	}
	if !b.closed {
		b.closed = true
		b.cache.Close()
		b.slabs.Close()
	}
	return nil
}

// Stores returns how many stores use the budget. A store that is closed does for as long as
// it has an iterator that is open.
func (b *Budget) Stores() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.stores)
}

// counted is a number with its noun.
func counted(n int, one, many string) string {
	if n == 1 {
		many = one
	}
	return fmt.Sprint(n, " ", many)
}

// hold notes a store, which keeps the budget from being closed until letGo.
func (b *Budget) hold(s *budgetShare) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return fmt.Errorf("budget of %d bytes: %w", b.Limit(), ErrClosed)
	}
	b.stores = append(b.stores, s)
	b.shareCache()
	return nil
}

// letGo ends what hold began.
func (b *Budget) letGo(s *budgetShare) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stores = slices.DeleteFunc(b.stores, func(other *budgetShare) bool { return other == s })
	b.shareCache()
}

// shareCache keeps half of the budget free of blocks if several stores have it: blocks
// of stores that are at work cannot be evicted when a memtable of another one grows.
// The mutex is held.
func (b *Budget) shareCache() {
	most := b.Limit()
	if len(b.stores) > 1 {
		most /= 2
	}
	b.cache.SetLimit(most)
}

// enter takes down what a run that was sealed takes.
func (b *Budget) enter(r *version.SealedRun) {
	r.BudgetedBytes = r.Table.Bytes() + sortedEntryBytes*int64(r.Table.Len())
	b.sealedBytes.Add(r.BudgetedBytes)
}

// sortedEntryBytes is what sorting takes for each entry of a run: see memtable.
const sortedEntryBytes = 16

// leave ends what enter began, once: when the run is in the tree, or is given up. The
// lock of its store is held.
func (b *Budget) leave(r *version.SealedRun) {
	if r.BudgetedBytes == 0 {
		return
	}
	b.sealedBytes.Add(-r.BudgetedBytes)
	r.BudgetedBytes = 0
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.freed)
	b.freed, b.inVain = make(chan struct{}), false
}
