package lsm

import "github.com/weirstate/weir/run"

// readScratch is memory of reads that the next one uses again.
//
// Thread safety: the lock of the store.
type readScratch struct {
	lookupKey run.LookupKey // of the operation under way
	lookup    run.Lookup    // the same
	viewed    run.Lookup    // of views; separate because the other may back Peek's result
	passing   bool          // a lookup has memory that may be released before the next call
	peeked    []byte        // a value that Peek has put together
	idle      []*walk       // of prefixes, closed
	lookups   int64         // keys that were looked up
	inMemory  int64         // those that memtables decided
	passed    int64         // entries of runs that walks of prefixes have come to
}

// maxIdle is of how many walks the memory is kept: as many as are open at a time,
// mostly.
const maxIdle = 4

// takeIdle returns a walk with the memory of one that is closed, nil if it has none.
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

// keepIdle keeps the memory of a walk that is closed, unless it is much.
func (s *readScratch) keepIdle(w *walk) {
	l := &w.live
	if len(s.idle) < maxIdle && cap(w.value)+cap(w.from)+cap(l.prefix)+cap(l.dead.First)+cap(l.dead.To) <= maxPeeked {
		s.idle = append(s.idle, w)
	}
}
