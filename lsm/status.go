package lsm

import "sync/atomic"

// status is the state of a store: open, closing, closed or failed.
//
// Thread safety: the lock of the store.
type status struct {
	closing     bool        // Close was called: no more writes
	closed      bool        // no more reads
	isClosed    atomic.Bool // copy of closed for iterators, which do not take the lock
	released    bool        // everything is freed, except the versions of open iterators
	failed      error       // why the store accepts no writes, or nil
	flushErr    error       // error of the last flush, or nil
	flushErrTry uint64      // number of that flush
	flushTries  uint64      // number of flushes that have begun
}

// checkWritable returns the reason why the store accepts no writes, or nil. Call it again after
// the lock was released.
func (s *status) checkWritable() error {
	if s.closing {
		return ErrClosed
	}
	return s.failed
}
