package lsm

import (
	"sync/atomic"
	"time"
)

// worker is a background goroutine that runs whenever it is woken, until nothing is left to do.
//
// Thread safety: safe for concurrent use.
type worker struct {
	woken chan struct{} // capacity 1; holds a token if there may be work
	asked atomic.Uint64 // number of calls of wake
	// idleAt is the value of asked before the last round that found no work.
	idleAt atomic.Uint64
}

// wake tells the worker that there may be work.
func (w *worker) wake() {
	w.asked.Add(1)
	select {
	case w.woken <- struct{}{}:
	default:
	}
}

// isBusy reports whether the worker is working, or was woken and has not checked for work yet.
func (w *worker) isBusy() bool { return w.idleAt.Load() != w.asked.Load() }

// Pauses of a worker after an error, which doubles from one to the other.
const (
	minRetryPause = 10 * time.Millisecond
	maxRetryPause = 5 * time.Second
)

// work runs do until the store closes: while do reports more work, after each wake, and after a
// pause if do has failed.
func (db *DB) work(w *worker, do func() (more bool, err error), report func(error)) {
	defer db.workers.Done()
	pause := minRetryPause
	for {
		asked := w.asked.Load()
		more, err := db.guarded(do)
		if db.ctx.Err() != nil {
			return
		}
		report(err)
		var retry <-chan time.Time
		switch {
		case err != nil:
			retry = time.After(pause)
			pause = min(2*pause, maxRetryPause)
		case more:
			pause = minRetryPause
			continue
		default:
			w.idleAt.Store(asked)
		}
		select {
		case <-w.woken:
		case <-retry:
		case <-db.ctx.Done():
			return
		}
	}
}

// guarded calls do. A panic makes the store ErrFailed, because a retry would panic again.
func (db *DB) guarded(do func() (more bool, err error)) (more bool, err error) {
	err = db.guard(func() (err error) {
		more, err = do()
		return err
	})
	return more, db.failIfPanic(err)
}

// failIfPanic fails the store if err is a panic.
func (db *DB) failIfPanic(err error) error {
	if isPanic(err) {
		return db.fail(err)
	}
	return err
}
