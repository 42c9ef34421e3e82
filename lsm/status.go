package lsm

import "sync/atomic"

// status is how far a store has come: open, closing, closed, failed.
//
// Thread safety: the lock of the store.
type status struct {
	closing  bool        // Close was called: nothing is written any more
	closed   bool        // nothing is read any more
	shut     atomic.Bool // closed, for iterators, which look without the lock
	released bool        // everything is given back but for iterators that are open
	failed   error       // why nothing can be written any more
	stuck    error       // why the last flush failed, nil if it did not
	stuckTry uint64      // that one's number among tries
	tries    uint64      // flushes that have begun
}

// checkWritable returns why nothing can be written, at first or after the lock was released.
func (s *status) checkWritable() error {
	if s.closing {
		return ErrClosed
	}
	return s.failed
}
