package checkpoint

import (
	"context"
	"sync"
)

// queue runs functions one at a time, in the order in which they were added, on goroutines that
// spawn starts. The caller of add does not wait.
//
// Thread safety: safe for concurrent use.
type queue struct {
	spawn func(func())

	mu      sync.Mutex
	idle    sync.Cond // on mu: running has become false
	waiting []func()
	spawned bool // a runner has been started and has not finished
	running bool
}

// newQueue returns an empty queue whose functions run on goroutines that spawn starts.
func newQueue(spawn func(func())) *queue {
	q := &queue{spawn: spawn}
	q.idle.L = &q.mu
	return q
}

// add appends a function to the queue.
func (q *queue) add(f func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, f)
	q.call()
}

// call starts a runner if functions wait and none is started. The mutex is held.
func (q *queue) call() {
	if len(q.waiting) > 0 && !q.spawned {
		q.spawned = true
		q.spawn(q.runner)
	}
}

// runner runs one function and starts the next runner.
func (q *queue) runner() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.running { // drain runs functions too
		q.idle.Wait()
	}
	q.runNext()
	q.spawned = false
	q.call()
}

// runNext runs the first function, if there is one. The mutex is released while it runs.
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

// drain runs the waiting functions itself and returns when no function waits or runs. When the
// context ends first, it returns the context's cause.
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
