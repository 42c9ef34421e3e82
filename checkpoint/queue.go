package checkpoint

import (
	"context"
	"sync"
)

// queue runs functions one after the other, beside whoever adds them.
//
// Thread safety: safe for concurrent use.
type queue struct {
	spawn func(func())

	mu      sync.Mutex
	idle    sync.Cond // on mu: running has become false
	waiting []func()
	spawned bool // a runner is on its way
	running bool
}

func newQueue(spawn func(func())) *queue {
	q := &queue{spawn: spawn}
	q.idle.L = &q.mu
	return q
}

// add queues a function.
func (q *queue) add(f func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, f)
	q.call()
}

// call sends for a runner if one is needed.
func (q *queue) call() {
	if len(q.waiting) > 0 && !q.spawned {
		q.spawned = true
		q.spawn(q.runner)
	}
}

// runner runs one function and sends for the next runner.
func (q *queue) runner() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.running { // in drain
		q.idle.Wait()
	}
	q.runNext()
	q.spawned = false
	q.call()
}

// runNext runs the first function, if there is one, with the mutex released.
func (q *queue) runNext() {
	if len(q.waiting) == 0 {
		return
	}
	f := q.waiting[0]
	q.waiting = q.waiting[1:]
	q.running = true
	q.mu.Unlock()
	defer func() {
		q.mu.Lock()
		q.running = false
		q.idle.Broadcast()
	}()
	f()
}

// drain returns when nothing is waiting or running, or with its cause when the context
// has ended. It runs itself what waits.
func (q *queue) drain(ctx context.Context) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	defer context.AfterFunc(ctx, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.idle.Broadcast()
	})()
	for q.running || len(q.waiting) > 0 {
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case q.running:
			q.idle.Wait()
		default:
			q.runNext()
		}
	}
	return nil
}
