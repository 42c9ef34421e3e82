package lsm

import (
	"sync/atomic"
	"time"
)

// worker is a goroutine of the store that does what there is to do whenever it is
// woken.
//
// Thread safety: safe for concurrent use.
type worker struct {
	woken chan struct{} // holds one: there may be more to do
	asked atomic.Uint64 // counts how often it was woken
	// rested is asked as it was before the last look that found nothing to do.
	rested atomic.Uint64
}

// wake tells the worker that there may be something to do.
func (w *worker) wake() {
	w.asked.Add(1)
	select {
	case w.woken <- struct{}{}:
	default:
	}
}

// isBusy says whether the worker does something, or has not found yet that there
// is nothing to do since it was last woken.
func (w *worker) isBusy() bool { return w.rested.Load() != w.asked.Load() }

// Pauses of the workers after an error that may pass, such as a full disk.
const (
	minRetryPause = 10 * time.Millisecond
	maxRetryPause = 5 * time.Second
)

// work is what a worker does until the store closes. After an error it tries
// again.
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
			w.rested.Store(asked)
		}
		select {
		case <-w.woken:
		case <-retry:
		case <-db.ctx.Done():
			return
		}
	}
}

// guarded calls what a worker does. A panic makes the store ErrFailed: it would come
// again.
func (db *DB) guarded(do func() (more bool, err error)) (more bool, err error) {
	err = db.guard(func() (err error) {
		more, err = do()
		return err
	})
	return more, db.failIfPanic(err)
}

// failIfPanic makes an error final if it is a panic.
func (db *DB) failIfPanic(err error) error {
	if isPanic(err) {
		return db.fail(err)
	}
	return err
}
