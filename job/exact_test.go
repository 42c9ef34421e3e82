package job

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

func TestEachElementIsCountedOnce(t *testing.T) {
	for parallelism := range 4 {
		o := Options{Name: "plain", Open: hash, Parallelism: parallelism}
		out := &paper[count]{}
		report, err := countJob(o, numbers(30_000, 3), out, nil).Run(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 30_000, report.Records)
		require.Len(t, report.Restores, 1)
		requireCounts(t, 30_000, out)
		goleak.VerifyNone(t)
	}
}

// saboteur makes a job fail several times. When a partition reaches the next limit, the
// saboteur holds the partitions until a checkpoint is complete, so that the job makes
// progress, and then fails a random place.
type saboteur struct {
	mu        sync.Mutex
	random    *rand.Rand
	limits    []int64 // offsets, ascending
	places    []string
	completed bool
	armed     atomic.Pointer[string]
}

// before is a function for tape.before.
func (s *saboteur) before(_ int, offset int64) (hold bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.limits) == 0 || offset < s.limits[0] {
		return false, nil
	}
	if s.armed.Load() == nil {
		if !s.completed {
			return true, nil
		}
		s.armed.Store(&s.places[s.random.IntN(len(s.places))])
	}
	return false, s.trip("source")
}

// at is called by each place. It returns an error for the place that must fail now.
func (s *saboteur) at(place string) error {
	if s.armed.Load() == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.trip(place)
}

func (s *saboteur) trip(place string) error {
	if armed := s.armed.Load(); armed == nil || *armed != place {
		return nil
	}
	s.armed.Store(nil)
	s.limits, s.completed = s.limits[1:], false
	return fmt.Errorf("%s: %w", place, errBroken)
}

// ended is a function for OnCheckpoint.
func (s *saboteur) ended(r CheckpointReport) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.completed = s.completed || r.Err == nil
}

func TestEachElementIsCountedOnceThroughFailures(t *testing.T) {
	const n, failures = 40_000, 5
	for name, open := range map[string]func(state.Options) (snapshot.Backend, error){"hash": hash, "btree": btree} {
		for seed := range uint64(6) {
			t.Run(fmt.Sprint(name, seed), func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, 1))
				source, out := numbers(n, 1+random.IntN(5)), &paper[count]{}
				source.batch = 1 + random.IntN(2*batchEvents)
				s := &saboteur{random: random, places: []string{"source", "operator", "sink"}}
				for i := range int64(failures) {
					share := int64(len(source.partitions[0]) / (failures + 1))
					s.limits = append(s.limits, i*share+random.Int64N(share))
				}
				source.before = s.before
				out.write = func(Event[count]) error { return s.at("sink") }
				o := memory("failing")
				o.Open, o.Parallelism, o.MaxRestarts, o.OnCheckpoint = open, 1+random.IntN(3), failures, s.ended
				o.Checkpoints.MaxConcurrent = 1 + random.IntN(3)
				o.Snapshot.Synchronous = seed%4 == 0
				report, err := countJob(o, source, out, func(Event[int64]) error { return s.at("operator") }).Run(t.Context())
				require.NoError(t, err)
				requireCounts(t, n, out)
				require.Len(t, report.Restores, failures+1)
				require.NotZero(t, report.Restores[failures].Offset)
				for i, r := range report.Restores {
					require.EqualValues(t, i+1, r.Attempt)
					require.Equal(t, i > 0, r.Checkpoint > 0)
					if i > 0 {
						require.ErrorIs(t, r.Cause, errBroken)
					}
				}
				goleak.VerifyNone(t)
			})
		}
	}
}

// Each run except the last fails after a checkpoint; the next run continues from it with
// another number of subtasks.
func TestParallelismMayChangeBetweenRuns(t *testing.T) {
	const n = 40_000
	out, source := &paper[count]{}, numbers(n, 5)
	o := memory("rescaled")
	runs := []int{1, 2, 3, 2}
	for i, parallelism := range runs {
		var records atomic.Int64
		last := i == len(runs)-1
		limit := int64(len(source.partitions[0]) * (i + 1) / len(runs))
		source.before = func(_ int, offset int64) (bool, error) {
			records.Store(max(records.Load(), offset))
			return offset >= limit && !last, nil
		}
		var running *Running
		started := make(chan struct{})
		o.Parallelism = parallelism
		o.OnRestore = func(r RestoreReport) { require.Equal(t, i > 0, r.Offset > 0) }
		o.OnCheckpoint = func(r CheckpointReport) {
			<-started
			if r.Err == nil && records.Load() >= limit && !last {
				running.Fail(errBroken) // ends the job: MaxRestarts is 0
			}
		}
		var err error
		running, err = countJob(o, source, out, nil).Start(t.Context())
		require.NoError(t, err)
		close(started)
		if _, err := running.Wait(); !last {
			require.ErrorIs(t, err, errBroken)
		} else {
			require.NoError(t, err)
		}
	}
	requireCounts(t, n, out)
	goleak.VerifyNone(t)
}

// Checkpoints time out soon after they are triggered, so the channels have barriers of several
// checkpoints, most of them aborted.
func TestAbortedCheckpointsDoNoHarm(t *testing.T) {
	o, out := memory("aborted"), &paper[count]{}
	o.Parallelism = 3
	o.Checkpoints.Interval, o.Checkpoints.Timeout = time.Microsecond, 20*time.Microsecond
	o.Checkpoints.MaxConcurrent, o.Checkpoints.TolerableFailures = 3, math.MaxInt
	source, aborted := numbers(40_000, 4), atomic.Int64{}
	source.batch = 10
	source.before = func(_ int, offset int64) (bool, error) { return offset > 9_000 && aborted.Load() < 10, nil }
	o.OnCheckpoint = func(r CheckpointReport) {
		if errors.Is(r.Err, checkpoint.ErrTimeout) {
			aborted.Add(1)
		}
	}
	_, err := countJob(o, source, out, nil).Run(t.Context())
	require.NoError(t, err)
	requireCounts(t, 40_000, out)
	goleak.VerifyNone(t)
}

// Source subtasks without partitions, and those whose partitions have ended, take part in
// checkpoints: a checkpoint needs every subtask.
func TestSourceAtItsEndTakesPartInCheckpoints(t *testing.T) {
	o, source, out := memory("ended"), numbers(3_000, 2), &paper[count]{}
	source.partitions[1] = source.partitions[1][:10]
	var completed atomic.Int64
	source.before = func(partition int, offset int64) (bool, error) {
		return partition == 0 && offset > 0 && completed.Load() < 3, nil
	}
	var running *Running
	started := make(chan struct{})
	o.Parallelism = 3
	o.OnCheckpoint = func(r CheckpointReport) {
		<-started
		if r.Err == nil && running.Records() == batchEvents+10 {
			completed.Add(1)
			require.Len(t, r.Pauses, 3)
		}
	}
	var err error
	running, err = countJob(o, source, out, nil).Start(t.Context())
	require.NoError(t, err)
	close(started)
	_, err = running.Wait()
	require.NoError(t, err)
	require.GreaterOrEqual(t, completed.Load(), int64(3))
}

// The offsets, state and sink position of a checkpoint must describe one moment, and all
// subtasks must restore the same checkpoint (KAFKA-20685, KAFKA-7192): an offset newer than the
// state loses elements, an older one counts them twice. Here the job fails while a second
// checkpoint lacks a single part: the restart must use nothing of it.
func TestBug18OffsetsAreRestoredWithTheStateTheyBelongTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n, partitions = 30_000, 3
		source, out := numbers(n, partitions), &paper[count]{}
		source.batch = 500
		var limit atomic.Int64
		limit.Store(7_000)
		source.before = func(_ int, offset int64) (bool, error) { return offset >= limit.Load(), nil }
		leave, second := make(chan struct{}), make(chan struct{})
		var syncs atomic.Int64
		out.sync = func() error {
			if syncs.Add(1) == 2 {
				close(second)
				<-leave
			}
			return nil
		}
		o := memory("bug18")
		o.Snapshot.Compression = snapshot.None // the channels of zstd are shared by all tests
		o.Checkpoints.Interval, o.Parallelism, o.MaxRestarts = 0, partitions, 1
		ended := make(chan CheckpointReport, 2)
		o.OnCheckpoint = func(r CheckpointReport) { ended <- r }
		o.OnRestore = func(r RestoreReport) {
			if r.Attempt == 2 {
				limit.Store(n)
			}
		}
		running, err := countJob(o, source, out, nil).Start(t.Context())
		require.NoError(t, err)
		checkpointAt := func(records int64) {
			for running.Records() < records {
				time.Sleep(time.Millisecond)
			}
			_, err := running.Checkpoint()
			require.NoError(t, err)
		}
		checkpointAt(7_000 * partitions)
		complete := <-ended
		require.NoError(t, complete.Err)
		limit.Store(9_000)
		checkpointAt(9_000 * partitions)
		<-second
		running.Fail(errBroken)
		require.ErrorIs(t, (<-ended).Err, checkpoint.ErrEnded)
		time.Sleep(time.Second) // a new attempt would begin, if it did not wait for the sync
		close(leave)
		report, err := running.Wait()
		require.NoError(t, err)
		require.Equal(t, complete.ID, report.Restores[1].Checkpoint)
		require.EqualValues(t, 7_000*partitions, report.Restores[1].Offset)
		requireCounts(t, n, out)
	})
}

// The sync of the sink takes a minute; all other subtasks acknowledge earlier.
func TestCheckpointIsNotCompleteBeforeTheSyncOfItsSink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source, out := numbers(2_000, 2), &paper[count]{}
		var synced atomic.Bool
		source.before = func(_ int, offset int64) (bool, error) { return offset > 0 && !synced.Load(), nil }
		ended := make(chan struct{})
		out.sync = func() error {
			select {
			case <-ended:
				return errBroken
			case <-time.After(time.Minute): // the other subtasks acknowledge
			}
			synced.Store(true)
			return nil
		}
		o := memory("slow-sync")
		o.Snapshot.Compression = snapshot.None // the channels of zstd are shared by all tests
		o.Checkpoints.Interval = 0
		o.OnCheckpoint = func(CheckpointReport) { close(ended) }
		running, err := countJob(o, source, out, nil).Start(t.Context())
		require.NoError(t, err)
		for err = ErrNotRunning; errors.Is(err, ErrNotRunning); _, err = running.Checkpoint() {
			time.Sleep(time.Millisecond)
		}
		require.NoError(t, err)
		_, err = running.Wait()
		require.NoError(t, err)
		requireCounts(t, 2_000, out)
	})
}

// The results of all consumers are exact after failures, too.
func TestEveryConsumerOfAStreamGetsEveryElement(t *testing.T) {
	const n, failures = 20_000, 3
	random := rand.New(rand.NewPCG(3, 3))
	source := numbers(n, 4)
	s := &saboteur{random: random, limits: []int64{500, 2000, 4000}, places: []string{"source", "operator", "sink"}}
	source.before = s.before
	o := memory("fan-out")
	o.Parallelism, o.MaxRestarts, o.OnCheckpoint = 2, failures, s.ended
	byKey, byOther, again, raw := &paper[count]{}, &paper[count]{}, &paper[count]{}, &paper[int64]{}
	byKey.write = func(Event[count]) error { return s.at("sink") }

	g := New(o)
	in := From(g, "numbers", source, SourceOptions{})
	counts := Process(KeyBy(in, codec.Int[int64](), keyOf), "counts", counting(nil, keyOf))
	AddSink(counts, "by-key", byKey.open)
	AddSink(counts, "again", again.open)
	other := func(v int64) int64 { return v / 7 % keys }
	slow := func(Event[int64]) error { return s.at("operator") }
	AddSink(Process(KeyBy(in, codec.Int[int64](), other), "others", counting(slow, other)), "by-other", byOther.open)
	AddSink(in, "raw", raw.open)
	_, err := g.Run(t.Context())
	require.NoError(t, err)
	requireCounts(t, n, byKey)
	requireCounts(t, n, again)
	require.Len(t, byOther.written(), n)
	seen := map[int64]int{}
	for _, e := range raw.written() {
		seen[e.Value]++
	}
	require.Len(t, seen, n)
	require.Len(t, raw.written(), n)
	goleak.VerifyNone(t)
}
