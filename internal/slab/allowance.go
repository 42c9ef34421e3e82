package slab

import "sync/atomic"

// Allowance is a number of bytes on the heap that several users share. Buffers that may be
// smaller take bytes of it only while it has enough left.
//
// Thread safety: safe for concurrent use.
type Allowance struct{ left atomic.Int64 }

// NewAllowance returns an allowance with the given number of bytes.
func NewAllowance(bytes int64) *Allowance {
	a := new(Allowance)
	a.left.Store(bytes)
	return a
}

// TryTake takes bytes and reports whether the allowance had enough. Otherwise it takes nothing.
func (a *Allowance) TryTake(bytes int) bool {
	if a.left.Add(-int64(bytes)) >= 0 {
		return true
	}
	a.Give(bytes)
	return false
}

// Give returns bytes that TryTake has taken.
func (a *Allowance) Give(bytes int) { a.left.Add(int64(bytes)) }
