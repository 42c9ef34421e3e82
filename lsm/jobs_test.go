package lsm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/vfs/vfstest"
)

// oneSlot returns jobs with one slot.
func oneSlot() *jobs { return &jobs{limit: func() int { return 1 }} }

// queue lets a goroutine wait for a slot, and returns once it waits. The goroutine calls got, which
// ends the job.
func (j *jobs) queue(t *testing.T, wait func() error, got func()) {
	before := j.waitingJobs()
	go func() {
		if err := wait(); err == nil {
			got()
		}
	}()
	waitFor(t, "the job waits", func() bool { return j.waitingJobs() > before })
}

func (j *jobs) waitingJobs() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.waiting)
}

// queueJob is queue for a job that sends its name when it has the slot, and then ends.
func (j *jobs) queueJob(t *testing.T, rank jobRank, name string, order chan<- string) {
	var b *job
	j.queue(t, func() (err error) {
		b, err = j.begin(t.Context(), rank)
		return err
	}, func() {
		order <- name
		b.end()
	})
}

func TestFreeSlotGoesToTheHighestRankThenToTheOldest(t *testing.T) {
	j := oneSlot()
	held, err := j.begin(t.Context(), deeperJob)
	require.NoError(t, err)
	order := make(chan string, 6)
	j.queueJob(t, deeperJob, "deeper", order)
	j.queueJob(t, level0Job, "level 0", order)
	j.queueJob(t, level0Job, "second of level 0", order)
	j.queueJob(t, resumedJob, "resumed", order)
	j.queueJob(t, flushJob, "flush", order)
	j.queueJob(t, flushJob, "second flush", order)
	held.end()
	for _, want := range []string{"flush", "second flush", "resumed", "level 0", "second of level 0", "deeper"} {
		require.Equal(t, want, <-order)
	}
}

func TestCompactionLetsFlushesPassAndGoesOnBeforeOthers(t *testing.T) {
	j := oneSlot()
	compaction, err := j.begin(t.Context(), deeperJob)
	require.NoError(t, err)
	require.NoError(t, compaction.yield(t.Context()), "no flush waits")
	order := make(chan string, 4)
	j.queueJob(t, level0Job, "level 0", order)
	require.NoError(t, compaction.yield(t.Context()), "no flush waits")
	require.Empty(t, order)
	j.queueJob(t, flushJob, "flush", order)
	j.queueJob(t, flushJob, "second flush", order)
	require.NoError(t, compaction.yield(t.Context()))
	order <- "compaction"
	compaction.end()
	for _, want := range []string{"flush", "second flush", "compaction", "level 0"} {
		require.Equal(t, want, <-order)
	}
}

// Without maxPasses, compactions of level 0 of many stores could keep the others waiting forever.
func TestDeeperCompactionIsPassedALimitedNumberOfTimes(t *testing.T) {
	j := oneSlot()
	held, err := j.begin(t.Context(), level0Job)
	require.NoError(t, err)
	order := make(chan string, 2*maxPasses+1)
	j.queueJob(t, deeperJob, "deeper", order)
	for range 2 * maxPasses {
		j.queueJob(t, level0Job, "level 0", order)
	}
	held.end()
	passed := 0
	for <-order != "deeper" {
		passed++
	}
	require.Equal(t, maxPasses, passed)
	for range 2*maxPasses - passed {
		<-order
	}
}

func TestFlushesAndCompactionsShareTheSlots(t *testing.T) {
	limit := 2
	j := &jobs{limit: func() int { return limit }}
	first, err := j.begin(t.Context(), flushJob)
	require.NoError(t, err)
	second, err := j.begin(t.Context(), level0Job)
	require.NoError(t, err)
	order := make(chan string, 2)
	j.queueJob(t, flushJob, "flush", order)
	require.Empty(t, order)
	j.mu.Lock()
	limit = 4 // is read again when the next job begins
	j.mu.Unlock()
	third, err := j.begin(t.Context(), deeperJob)
	require.NoError(t, err)
	require.Equal(t, "flush", <-order)
	for _, b := range []*job{first, second, third} {
		b.end()
		b.end() // a second call changes nothing
	}
	waitFor(t, "all slots are free", func() bool {
		j.mu.Lock()
		defer j.mu.Unlock()
		return j.running == 0
	})
}

func TestJobStopsWaitingWhenItsContextEnds(t *testing.T) {
	j := oneSlot()
	held, err := j.begin(t.Context(), level0Job)
	require.NoError(t, err)
	for _, rank := range []jobRank{flushJob, resumedJob, level0Job, deeperJob} {
		ctx, cancel := context.WithCancelCause(t.Context())
		result := make(chan error)
		go func() {
			_, err := j.begin(ctx, rank)
			result <- err
		}()
		waitFor(t, "the job waits", func() bool { return j.waitingJobs() > 0 })
		cancel(errCancelled)
		require.ErrorIs(t, <-result, errCancelled)
		require.Zero(t, j.waitingJobs())
		require.Zero(t, j.flushes.Load())
	}

	// A compaction that let a flush pass holds no slot after its context has ended.
	ctx, cancel := context.WithCancelCause(t.Context())
	var flush *job
	granted := make(chan struct{})
	j.queue(t, func() (err error) { flush, err = j.begin(t.Context(), flushJob); return err }, func() { close(granted) })
	result := make(chan error)
	go func() { result <- held.yield(ctx) }()
	<-granted
	cancel(errCancelled)
	require.ErrorIs(t, <-result, errCancelled)
	held.end()
	flush.end()
	free, err := j.begin(t.Context(), deeperJob)
	require.NoError(t, err)
	free.end()
	require.Zero(t, j.running)
}

// A slot that is granted at the moment when the context ends must not be lost.
func TestNoSlotIsLostWhenContextsEnd(t *testing.T) {
	j := oneSlot()
	var all sync.WaitGroup
	for i := range 200 {
		ctx, cancel := context.WithCancel(t.Context())
		all.Go(func() {
			if b, err := j.begin(ctx, jobRank(i%4)); err == nil {
				b.end()
			}
		})
		all.Go(cancel)
	}
	all.Wait()
	require.Zero(t, j.running)
	require.Empty(t, j.waiting)
	require.Zero(t, j.flushes.Load())
}

// With one slot, a flush of any store of the budget must not wait until a long compaction has ended.
func TestCompactionInProgressLetsFlushesThrough(t *testing.T) {
	for _, whose := range []string{"same store", "other store"} {
		t.Run(whose, func(t *testing.T) {
			budget := NewBudget(0)
			budget.jobs = oneSlot()
			var first sync.Once
			var compacting, flushedMeanwhile atomic.Bool
			begun, order := make(chan struct{}), make(chan string, 10)
			o := Options{FS: vfstest.NewMem(vfstest.MemOptions{}), Log: LogOff, Budget: budget, Picker: idle{}}
			o.Events.Flushed = func(FlushInfo) {
				flushedMeanwhile.Store(compacting.Load())
				order <- "flush"
			}
			other, err := Open(t.Context(), "other", o)
			require.NoError(t, err)
			o.Events.Compacted = func(CompactionInfo) { order <- "compaction" }
			o.Filter = filterFunc(func(*FilterEntry) {
				first.Do(func() { close(begun) })
				// A flusher that finds nothing to flush takes a slot too, so once is not enough.
				waitFor(t, "a flush waits", func() bool { return flushedMeanwhile.Load() || budget.jobs.flushes.Load() > 0 })
			})
			db, err := Open(t.Context(), "db", o)
			require.NoError(t, err)
			db.flushes.runAge, other.flushes.runAge = time.Hour, time.Hour // so that nothing else wakes the flushers
			for range 2 {
				for i := range 10_000 {
					require.NoError(t, db.Put(fmt.Appendf(nil, "%05d", i), []byte("value")))
				}
				require.NoError(t, db.Flush(t.Context()))
				require.Equal(t, "flush", <-order)
			}
			compacting.Store(true)
			compacted := make(chan error)
			go func() { compacted <- db.Compact(t.Context()) }()
			<-begun
			flushed := map[string]*DB{"same store": db, "other store": other}[whose]
			require.NoError(t, flushed.Put([]byte("key"), []byte("value")))
			require.NoError(t, flushed.Flush(t.Context()))
			require.NoError(t, <-compacted)
			require.Equal(t, "flush", <-order)
			require.Equal(t, "compaction", <-order)
			require.NoError(t, db.Close())
			require.NoError(t, other.Close())
			require.NoError(t, budget.Close())
		})
	}
}

// Stores that share one slot write at the same time; writers wait for flushes, flushes and
// compactions for the slot.
func TestStoresWithOneSlotMakeProgress(t *testing.T) {
	const stores, keys = 8, 3_000
	budget := NewBudget(4 << 20)
	budget.jobs = oneSlot()
	mem := vfstest.NewMem(vfstest.MemOptions{})
	o := Options{FS: mem, Log: LogOff, Budget: budget, MemtableBytes: 64 << 10, FileBytes: 64 << 10}
	value := []byte(strings.Repeat("v", 100))
	var writers sync.WaitGroup
	for i := range stores {
		writers.Go(func() {
			db, err := Open(t.Context(), fmt.Sprint(i), o)
			if !assertNoError(t, err) {
				return
			}
			for round := range 2 {
				for k := range keys {
					if !assertNoError(t, db.Put(fmt.Appendf(nil, "%d %05d", round*k%7, k), value)) {
						return
					}
				}
				assertNoError(t, db.Seal())
			}
			assertNoError(t, db.Compact(t.Context()))
			assertNoError(t, db.Close())
		})
	}
	writers.Wait()
	require.Zero(t, budget.jobs.running)
	require.NoError(t, budget.Close())
}

// assertNoError is require.NoError for goroutines other than the test's.
func assertNoError(t *testing.T, err error) bool {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
	return err == nil
}

// A store on a full disk retries its flush again and again. Between two tries the slot is free for
// other stores.
func TestFullDiskOfOneStoreLeavesTheSlotToOthers(t *testing.T) {
	budget := NewBudget(0)
	budget.jobs = oneSlot()
	var full atomic.Bool
	mem := vfstest.NewMem(vfstest.MemOptions{})
	disk := vfstest.NewFaulty(mem, vfstest.FaultyOptions{Plan: func(c vfstest.Call) error {
		if full.Load() && c.Op == vfstest.OpCreate {
			return syscall.ENOSPC
		}
		return nil
	}})
	stuck, err := Open(t.Context(), "stuck", Options{FS: disk, Log: LogOff, Budget: budget})
	require.NoError(t, err)
	other, err := Open(t.Context(), "other", Options{FS: mem, Log: LogOff, Budget: budget})
	require.NoError(t, err)
	require.NoError(t, stuck.Put([]byte("key"), []byte("value")))
	full.Store(true)
	require.ErrorIs(t, stuck.Flush(t.Context()), ErrStalled)
	for i := range 3 {
		require.NoError(t, other.Put(fmt.Append(nil, i), []byte("value")))
		require.NoError(t, other.Flush(t.Context()))
		require.NoError(t, other.Compact(t.Context()))
	}
	full.Store(false)
	require.NoError(t, stuck.Flush(t.Context()))
	require.NoError(t, errors.Join(stuck.Close(), other.Close(), budget.Close()))
}
