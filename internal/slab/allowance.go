package slab

import "sync/atomic"

// Allowance is an amount of memory on the heap that is taken only while there is some
// left: buffers that may be smaller.
//
// Thread safety: safe for concurrent use.
type Allowance struct{ left atomic.Int64 }

// NewAllowance returns an allowance of so many bytes.
func NewAllowance(bytes int64) *Allowance {
	a := new(Allowance)
	a.left.Store(bytes)
	return a
}

// TryTake takes so many bytes, and reports whether there were as many.
func (a *Allowance) TryTake(bytes int) bool {
	if a.left.Add(-int64(bytes)) >= 0 {
		return true
	}
	a.Give(bytes)
	return false
}

// Give gives back what TryTake took.
func (a *Allowance) Give(bytes int) { a.left.Add(int64(bytes)) }
