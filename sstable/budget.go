package sstable

import "github.com/weirstate/weir/internal/slab"

// Budget is the memory that the blocks of a Cache, indexes and filters share. It is the
// type of the same name in package memtable.
type Budget = slab.Budget

// NewBudget returns a budget: 0 bytes are 64 MiB, and at least 4 MiB are given.
func NewBudget(bytes int64) *Budget { return slab.NewBudget(bytes) }

// Allowance is memory on Go's heap for buffers that may be smaller: a reader takes some
// only while the allowance has bytes left. See IteratorOptions.
type Allowance = slab.Allowance

// NewAllowance returns an allowance of so many bytes.
func NewAllowance(bytes int64) *Allowance { return slab.NewAllowance(bytes) }
