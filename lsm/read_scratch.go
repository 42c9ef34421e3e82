package lsm

import "github.com/weirstate/weir/run"

// readScratch holds memory that reads reuse, and counts reads.
//
// Thread safety: the lock of the store.
type readScratch struct {
	lookupKey  run.LookupKey // of the current operation
	lookup     run.Lookup    // of the current operation
	viewed     run.Lookup    // of views; separate because lookup may back the result of Peek
	mayBeFreed bool          // the lookup refers to memory that may be freed before the owner's next call
	peeked     []byte        // buffer of Peek for values that consist of pieces
	explorer   *walk         // of Floor and of searches for gaps
	idle       []*walk       // closed prefix iterators, to be reused; only the owner uses them, without the lock
	lookups    int64         // number of keys looked up
	inMemory   int64         // number of lookups that memtables decided
	passed     int64         // number of entries that prefix iterators stepped over
}

// maxIdle limits the prefix iterators that are kept for reuse. More than four are rarely open
// at the same time.
const maxIdle = 4

// takeIdle returns a closed walk to be reused, or nil.
func (s *readScratch) takeIdle() *walk {
	n := len(s.idle)
	if n == 0 {
		return nil
	}
	w := s.idle[n-1]
	s.idle[n-1] = nil
	s.idle = s.idle[:n-1]
	return w
}

// keepIdle keeps a closed walk for reuse, unless its buffers are large.
func (s *readScratch) keepIdle(w *walk) {
	if len(s.idle) < maxIdle && w.isSmall() {
		s.idle = append(s.idle, w)
	}
}

// isSmall reports whether the buffers of a prefix iterator are small enough to be kept.
func (w *walk) isSmall() bool {
	l := &w.cursor
	return cap(w.value)+cap(w.from)+cap(l.prefix)+cap(l.dead.First)+cap(l.dead.To) <= maxPeeked
}
