package sstable

import "github.com/weirstate/weir/internal/slab"

// Budget is the memory that cached blocks, indexes and filters share. It is the same type as
// memtable.Budget.
type Budget = slab.Budget

// NewBudget returns a budget of at least 4 MiB; 0 bytes are 64 MiB.
func NewBudget(bytes int64) *Budget { return slab.NewBudget(bytes) }

// Allowance bounds memory on Go's heap for optional buffers: a reader takes more only while
// the allowance has bytes left. See IteratorOptions.
type Allowance = slab.Allowance

// NewAllowance returns an allowance of the given number of bytes.
func NewAllowance(bytes int64) *Allowance { return slab.NewAllowance(bytes) }
