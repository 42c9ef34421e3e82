package lsm

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// jobs limits the flushes and compactions that run at a time in all stores of a budget.
//
// Problem: each store has a flusher and a compactor. When all stores of a budget are sealed at a
// barrier, their workers take all processors, and a task waits in the scheduler's queue after each of
// them. But if they merely take turns, a long compaction makes the writers of all stores wait for
// their flushes.
//
// Idea: one queue of slots, one less than the processors. A slot that becomes free goes to the job
// of the highest rank, and within a rank to the one that waits longest:
//
//	flush        writers wait for flushes sooner than for compactions
//	resumed      a compaction that has let flushes pass: it has buffers and open files already
//	level 0      its runs make every read slower
//	deeper
//
// A compaction asks after each quantum (pace.Pacer) whether a flush waits, and if so hands its slot
// over:
//
//	one slot     compaction ─┐           ┌─ compaction ─┐         ┌─ compaction
//	                         └─ flush A ─┘              └─ flush B ─┘
//
// So the flushes of a barrier follow each other instead of running together.
//
// Invariant: at most limit() jobs hold slots. A job takes its slot before it works and holds no
// other lock while it waits for one; only its compactor.running.
// Invariant: a job that holds a slot never waits for another job. A compaction never waits for a
// flush, only for the slot. So a job that waits for a slot gets it once others have ended or
// yielded.
// Invariant: at most limit() compactions have begun and not ended, because resumed ones go before
// new ones. Their buffers are not counted in the budget.
//
// Starvation: flushes always go first. If compactions lag for that reason, level 0 grows, and
// writeThrottle slows the writers. Nothing slows compactions of level 0, so a deeper compaction
// that has been passed maxPasses times gets their rank.
//
// Thread safety: safe for concurrent use.
type jobs struct {
	limit   func() int   // maxJobs; tests change it
	flushes atomic.Int32 // flushes that wait

	mu      sync.Mutex
	running int           // jobs that hold a slot
	waiting []*waitingJob // in the order of arrival
}

// jobRank orders jobs that wait; the lowest goes first.
type jobRank uint8

const (
	flushJob jobRank = iota
	resumedJob
	level0Job
	deeperJob
)

// waitingJob is a job that waits for a slot.
type waitingJob struct {
	rank    jobRank
	passed  int           // later jobs that got a slot before this one
	granted chan struct{} // closed when the job gets its slot
}

const (
	// maxPasses is the number of later jobs that may pass a deeper compaction.
	maxPasses = 8
	// mostJobs limits the jobs on machines with many processors. Each has some MiB of buffers.
	mostJobs = 8
)

// maxJobs returns the number of slots: one processor is left to the tasks.
func maxJobs() int { return min(max(runtime.GOMAXPROCS(0)-1, 1), mostJobs) }

func newJobs() *jobs { return &jobs{limit: maxJobs} }

// job is a flush or compaction.
//
// Thread safety: one goroutine.
type job struct {
	of    *jobs
	holds bool // it holds a slot
}

// begin waits for a slot until the context ends; then it returns the context's cause.
func (j *jobs) begin(ctx context.Context, rank jobRank) (*job, error) {
	if err := j.acquire(ctx, rank); err != nil {
		return nil, err
	}
	return &job{of: j, holds: true}, nil
}

// end frees the slot, if the job holds one.
func (b *job) end() {
	if b.holds {
		b.holds = false
		b.of.release()
	}
}

// yield hands the slot of a compaction over if flushes wait, and waits until it gets one again. If
// the context ends first, yield returns its cause, and the job holds no slot.
func (b *job) yield(ctx context.Context) error {
	if b.of.flushes.Load() > 0 {
		b.end()
	}
	if b.holds {
		return nil
	}
	if err := b.of.acquire(ctx, resumedJob); err != nil {
		return err
	}
	b.holds = true
	return nil
}

// acquire takes a slot.
func (j *jobs) acquire(ctx context.Context, rank jobRank) error {
	w := &waitingJob{rank: rank, granted: make(chan struct{})}
	j.mu.Lock()
	j.waiting = append(j.waiting, w)
	if rank == flushJob { // now, so that a compaction that sees it hands its slot to this flush
		j.flushes.Add(1)
		defer j.flushes.Add(-1)
	}
	j.grant()
	j.mu.Unlock()
	select {
	case <-w.granted:
		return nil
	case <-ctx.Done():
	}
	if !j.leave(w) {
		j.release() // the slot was granted in the meantime
	}
	return context.Cause(ctx)
}

// leave removes a job from the queue, and reports whether it was there.
func (j *jobs) leave(w *waitingJob) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	at := slices.Index(j.waiting, w)
	if at >= 0 {
		j.waiting = slices.Delete(j.waiting, at, at+1)
	}
	return at >= 0
}

// release frees a slot.
func (j *jobs) release() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.running--
	j.grant()
}

// grant gives the free slots to the jobs that wait. The caller holds the mutex.
func (j *jobs) grant() {
	for limit := j.limit(); j.running < limit && len(j.waiting) > 0; j.running++ {
		at := j.first()
		for _, w := range j.waiting[:at] {
			w.passed++
		}
		close(j.waiting[at].granted)
		j.waiting = slices.Delete(j.waiting, at, at+1)
	}
}

// first returns the index of the job that gets the next slot. The caller holds the mutex.
func (j *jobs) first() (at int) {
	for i, w := range j.waiting {
		if w.current() < j.waiting[at].current() {
			at = i
		}
	}
	return at
}

// current returns the rank of the job, raised if it was passed too often.
func (w *waitingJob) current() jobRank {
	if w.rank == deeperJob && w.passed >= maxPasses {
		return level0Job
	}
	return w.rank
}
