package job

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
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

// broken returns functions that make a job fail in every attempt, by the place of the failure.
func broken() map[string]func(*Options, *tape, *paper[count]) (element func(Event[int64]) error) {
	fail := func() error { return errBroken }
	return map[string]func(*Options, *tape, *paper[count]) func(Event[int64]) error{
		"element": func(*Options, *tape, *paper[count]) func(Event[int64]) error {
			return func(Event[int64]) error { return errBroken }
		},
		"source": func(_ *Options, s *tape, _ *paper[count]) func(Event[int64]) error {
			s.before = func(int, int64) (bool, error) { return false, errBroken }
			return nil
		},
		"sink": func(_ *Options, _ *tape, p *paper[count]) func(Event[int64]) error {
			p.write = func(Event[count]) error { return errBroken }
			return nil
		},
		"sync": func(o *Options, s *tape, p *paper[count]) func(Event[int64]) error {
			s.before = func(int, int64) (bool, error) { return true, nil } // until a checkpoint
			p.sync = fail
			return nil
		},
		"backend": func(o *Options, _ *tape, _ *paper[count]) func(Event[int64]) error {
			o.Open = func(state.Options) (snapshot.Backend, error) { return nil, errBroken }
			return nil
		},
	}
}

func TestJobThatAlwaysFailsEndsAfterMaxRestarts(t *testing.T) {
	for name, prepare := range broken() {
		t.Run(name, func(t *testing.T) {
			o, source, out := memory("broken"), numbers(5_000, 3), &paper[count]{}
			o.Parallelism, o.MaxRestarts = 2, 2
			element := prepare(&o, source, out)
			report, err := countJob(o, source, out, element).Run(t.Context())
			require.ErrorIs(t, err, errBroken)
			require.ErrorContains(t, err, "after 2 restarts")
			require.False(t, out.finished)
			if name != "backend" {
				require.Len(t, report.Restores, 3)
				require.ErrorIs(t, report.Restores[2].Cause, errBroken)
			}
			goleak.VerifyNone(t)
		})
	}
}

func TestPanicIsAFailureAndQuotesNoData(t *testing.T) {
	for name, element := range map[string]func(Event[int64]) error{
		"panic":  func(Event[int64]) error { panic("secret") },
		"bounds": func(e Event[int64]) error { _ = []int{}[e.Value]; return nil },
		"exit":   func(Event[int64]) error { runtime.Goexit(); return nil },
	} {
		out := &paper[count]{}
		_, err := countJob(memory("panics"), numbers(1_000, 1), out, element).Run(t.Context())
		require.ErrorIs(t, err, ErrPanic, name)
		require.NotContains(t, err.Error(), "secret")
		require.NotContains(t, err.Error(), "range")
		if name != "exit" {
			require.ErrorContains(t, err, "failure_test.go:")
		}
		goleak.VerifyNone(t)
	}
}

func TestPanicInReportSyncOrKeyIsAFailure(t *testing.T) {
	o, out := memory("panics"), &paper[count]{}
	o.OnRestore = func(RestoreReport) { panic("secret") }
	_, err := countJob(o, numbers(1_000, 1), out, nil).Run(t.Context())
	require.ErrorIs(t, err, ErrPanic)

	source := numbers(1_000, 1)
	source.before = func(int, int64) (bool, error) { return true, nil }
	out.sync = func() error { panic("secret") }
	_, err = countJob(memory("panics"), source, out, nil).Run(t.Context())
	require.ErrorIs(t, err, ErrPanic)

	g := New(memory("panics"))
	in := From(g, "numbers", numbers(1_000, 1), SourceOptions{})
	key := func(int64) int64 { panic("secret") }
	Process(KeyBy(in, codec.Int[int64](), key), "counts", counting(nil, keyOf))
	_, err = g.Run(t.Context())
	require.ErrorIs(t, err, ErrPanic)
	goleak.VerifyNone(t)
}

// exitingSink is a sink whose Close ends the goroutine.
type exitingSink struct{ drain[count] }

func (exitingSink) Close(bool) error { runtime.Goexit(); return nil }

// A function of the program that ends its goroutine must not end the job silently, nor leave
// its checkpoints locked.
func TestFunctionThatEndsItsGoroutineIsAFailure(t *testing.T) {
	for name, prepare := range map[string]func(*Options, *tape) (sink func(context.Context, []byte) (Sink[count], error)){
		"restore": func(o *Options, _ *tape) func(context.Context, []byte) (Sink[count], error) {
			o.OnRestore = func(RestoreReport) { runtime.Goexit() }
			return nil
		},
		"checkpoint": func(o *Options, s *tape) func(context.Context, []byte) (Sink[count], error) {
			s.before = func(int, int64) (bool, error) { return true, nil } // until a checkpoint
			o.OnCheckpoint = func(CheckpointReport) { runtime.Goexit() }
			return nil
		},
		"close": func(*Options, *tape) func(context.Context, []byte) (Sink[count], error) {
			return func(context.Context, []byte) (Sink[count], error) { return exitingSink{}, nil }
		},
	} {
		t.Run(name, func(t *testing.T) {
			o, source, out := memory("exits"), numbers(1_000, 1), &paper[count]{}
			sink := prepare(&o, source)
			if sink == nil {
				sink = out.open
			}
			g := New(o)
			in := From(g, "numbers", source, SourceOptions{})
			AddSink(Process(KeyBy(in, codec.Int[int64](), keyOf), "counts", counting(nil, keyOf)), "paper", sink)
			_, err := g.Run(t.Context())
			require.ErrorIs(t, err, ErrPanic)
			goleak.VerifyNone(t)

			source.before, o.OnRestore, o.OnCheckpoint = nil, nil, nil
			_, err = countJob(o, source, &paper[count]{}, nil).Run(t.Context())
			require.NotErrorIs(t, err, checkpoint.ErrLocked)
		})
	}
}

// The job is canceled at random moments: while it opens, restores, processes elements, takes a
// checkpoint or ends.
func TestCancelLeavesNothingBehind(t *testing.T) {
	enough := errors.New("enough")
	for seed := range uint64(40) {
		random := rand.New(rand.NewPCG(seed, 9))
		ctx, cancel := context.WithCancelCause(t.Context())
		o, source, out := memory("canceled"), numbers(8_000, 3), &paper[count]{}
		o.Checkpoints.Interval = time.Microsecond
		o.Parallelism, o.DiscardCheckpoints = 1+random.IntN(3), seed%2 == 0
		var left atomic.Int64
		left.Store(random.Int64N(10_000))
		step := func() {
			if left.Add(-1) == 0 {
				cancel(enough)
			}
		}
		o.OnRestore = func(RestoreReport) { step() }
		o.OnCheckpoint = func(CheckpointReport) { left.Add(-200); step() }
		open := o.Open
		o.Open = func(so state.Options) (snapshot.Backend, error) {
			step()
			return open(so)
		}
		out.write = func(Event[count]) error { step(); return nil }
		report, err := countJob(o, source, out, nil).Run(ctx)
		if left.Load() > 0 {
			require.NoError(t, err)
			requireCounts(t, 8_000, out)
		} else if err != nil {
			require.Equal(t, enough, err)
			require.False(t, out.finished)
		}
		cancel(nil)
		goleak.VerifyNone(t)
		if o.DiscardCheckpoints {
			o.OnRestore = func(r RestoreReport) { require.Zero(t, r.Checkpoint) }
		}
		// The next run can restore the checkpoints of the canceled one.
		o.OnCheckpoint, out.write, o.Open = nil, nil, open
		_, err = countJob(o, source, out, nil).Run(t.Context())
		require.NoError(t, err, "after %v", report)
		requireCounts(t, 8_000, out)
	}
}

// cancelingStore is a completed store whose Begin cancels the job.
type cancelingStore struct {
	checkpoint.Completed
	cancel func()
}

func (s cancelingStore) Begin(ctx context.Context) (checkpoint.AttemptID, error) {
	s.cancel()
	return 0, context.Cause(ctx)
}

func (s cancelingStore) Close() error { return nil }

func TestCancelBeforeTheFirstAttemptDiscardsNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	o, out := memory("early"), &paper[count]{}
	o.DiscardCheckpoints = true
	o.Checkpoints.Completed = cancelingStore{cancel: cancel}
	_, err := countJob(o, numbers(10, 1), out, nil).Run(ctx)
	require.Equal(t, context.Canceled, err)
}

func TestJobWithAnEndedContextProcessesNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	out := &paper[count]{}
	_, err := countJob(Options{Name: "late", Open: hash}, numbers(10, 1), out, nil).Run(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, out.written())
}

func TestRestartWithoutStorageBeginsFromTheFirstElement(t *testing.T) {
	var failed atomic.Bool
	out := &paper[count]{}
	g := countJob(Options{Name: "anew", Open: hash, MaxRestarts: 1}, numbers(5_000, 2), out, func(e Event[int64]) error {
		if e.Value == 4_000 && !failed.Swap(true) {
			return errBroken
		}
		return nil
	})
	running, err := g.Start(t.Context())
	require.NoError(t, err)
	_, err = running.Checkpoint()
	require.ErrorIs(t, err, ErrNoCheckpoints)
	report, err := running.Wait()
	require.NoError(t, err)
	requireCounts(t, 5_000, out)
	require.Equal(t, [][]byte{nil, nil}, out.opens)
	require.EqualValues(t, 2, report.Restores[1].Attempt)
	require.Zero(t, report.Restores[1].Checkpoint)
	_, err = running.Checkpoint()
	require.ErrorIs(t, err, ErrNoCheckpoints)
}

func TestFailRestartsTheJob(t *testing.T) {
	source, out := numbers(100, 1), &paper[count]{}
	var attempts atomic.Int64
	source.before = func(int, int64) (bool, error) { return attempts.Load() < 2, nil }
	o := memory("told")
	o.MaxRestarts = 1
	begun := make(chan struct{}, 2)
	o.OnRestore = func(RestoreReport) { attempts.Add(1); begun <- struct{}{} }
	running, err := countJob(o, source, out, nil).Start(t.Context())
	require.NoError(t, err)
	<-begun
	running.Fail(nil)
	report, err := running.Wait()
	require.NoError(t, err)
	require.Error(t, report.Restores[1].Cause)
	running.Fail(errBroken)
	_, err = running.Checkpoint()
	require.ErrorIs(t, err, ErrNotRunning)
}

// OnCheckpoint fails the job and then takes longer than the restart.
func TestReportsAreCalledOneAtATime(t *testing.T) {
	o, source, out := memory("reports"), numbers(100, 1), &paper[count]{}
	var inside atomic.Int64
	var failed, overlap atomic.Bool
	alone := func() {
		overlap.Store(inside.Add(1) > 1 || overlap.Load())
		time.Sleep(20 * time.Millisecond)
		inside.Add(-1)
	}
	source.before = func(int, int64) (bool, error) { return !failed.Load(), nil }
	started := make(chan struct{})
	var running *Running
	o.MaxRestarts = 1
	o.OnRestore = func(RestoreReport) { alone() }
	o.OnCheckpoint = func(CheckpointReport) {
		<-started
		if !failed.Swap(true) {
			running.Fail(errBroken)
		}
		alone()
	}
	var err error
	running, err = countJob(o, source, out, nil).Start(t.Context())
	require.NoError(t, err)
	close(started)
	_, err = running.Wait()
	require.NoError(t, err)
	require.True(t, failed.Load())
	require.False(t, overlap.Load())
}

func TestRestartWaitsForTheRestartDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var begun []time.Time
		o := Options{Name: "delayed", Open: hash, MaxRestarts: 2, RestartDelay: time.Hour}
		o.OnRestore = func(RestoreReport) { begun = append(begun, time.Now()) }
		fail := func(Event[int64]) error { return errBroken }
		_, err := countJob(o, numbers(10, 1), &paper[count]{}, fail).Run(t.Context())
		require.ErrorIs(t, err, errBroken)
		require.Len(t, begun, 3)
		require.GreaterOrEqual(t, begun[1].Sub(begun[0]), time.Hour)
		require.Less(t, begun[2].Sub(begun[1]), time.Hour+time.Minute)
	})
}

func TestErrorOfEmitEndsTheAttemptEvenIfIgnored(t *testing.T) {
	g := New(Options{Name: "emit", Open: hash, Parallelism: 2})
	in := From(g, "numbers", numbers(10, 1), SourceOptions{})
	keyed := KeyBy(in, codec.Int[int64](), keyOf)
	refused := Process(keyed, "refused", func(task *Task[int64, string]) (func(Event[int64]) error, error) {
		require.ErrorIs(t, task.Emit(Event[string]{}), ErrOpening)
		return func(Event[int64]) error {
			_ = task.Emit(Event[string]{0, "no key for it"})
			return nil
		}, nil
	})
	unfit := codec.Func("unfit", 1, func([]byte, string) ([]byte, error) { return nil, errBroken },
		func([]byte) (string, error) { return "", errBroken })
	Process(KeyBy(refused, unfit, func(s string) string { return s }), "next", func(*Task[string, int]) (func(Event[string]) error, error) {
		return func(Event[string]) error { return nil }, nil
	})
	_, err := g.Run(t.Context())
	require.ErrorIs(t, err, errBroken)

	// The batch fails before a barrier can follow: the checkpoint would lack the element.
	o := &operatorTask[int64, int64, string]{task: &Task[int64, string]{failed: errBroken}}
	require.ErrorIs(t, o.events(nil), errBroken)
}

// A checkpoint that is triggered after the end of the sources can only time out. The first
// write of the sink takes long enough for many triggers.
func TestNoCheckpointIsTriggeredAfterTheEndOfAllSources(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, out := memory("tail"), &paper[count]{}
		o.Snapshot.Compression = snapshot.None // the channels of zstd are shared by all tests
		o.Checkpoints.MaxConcurrent = 1000
		started := make(chan struct{})
		var running *Running
		var once sync.Once
		var triggered checkpoint.ID
		out.write = func(Event[count]) (err error) {
			once.Do(func() {
				<-started
				<-running.currentAttempt().allSourcesEnded
				first, err1 := running.Checkpoint()
				time.Sleep(20 * o.Checkpoints.Interval)
				last, err2 := running.Checkpoint()
				triggered, err = last-first-1, errors.Join(err1, err2)
			})
			return err
		}
		var err error
		running, err = countJob(o, numbers(100, 2), out, nil).Start(t.Context())
		require.NoError(t, err)
		close(started)
		_, err = running.Wait()
		require.NoError(t, err)
		require.LessOrEqual(t, triggered, checkpoint.ID(1), "one trigger may have begun before the end")
		requireCounts(t, 100, out)
	})
}

func TestJobThatFailsKeepsItsCheckpoints(t *testing.T) {
	o, source, out := memory("kept"), numbers(4_000, 2), &paper[count]{}
	o.DiscardCheckpoints = true
	runUntilStopped(t, o, source, out)
	report, err := countJob(o, source, out, nil).Run(t.Context())
	require.NoError(t, err)
	require.NotZero(t, report.Restores[0].Checkpoint)
	requireCounts(t, 4_000, out)
}

// runUntilStopped runs a counting job until two checkpoints are complete after 1,000 records,
// and then fails it.
func runUntilStopped(t *testing.T, o Options, source *tape, out *paper[count]) {
	t.Helper()
	var running *Running
	started, completed := make(chan struct{}), 0
	o.OnCheckpoint = func(r CheckpointReport) {
		<-started
		if r.Err == nil && running.Records() >= 1_000 {
			if completed++; completed == 2 {
				running.Fail(errBroken)
			}
		}
	}
	source.before = func(_ int, offset int64) (bool, error) { return offset >= 500, nil }
	defer func() { source.before = nil }()
	var err error
	running, err = countJob(o, source, out, nil).Start(t.Context())
	require.NoError(t, err)
	close(started)
	_, err = running.Wait()
	require.ErrorIs(t, err, errBroken)
}

func TestCheckpointOfAnotherGraphEndsTheJobAtOnce(t *testing.T) {
	counts := func(g *Graph, s *tape, out *paper[count], names ...string) *Graph {
		in := From(g, names[0], s, SourceOptions{})
		AddSink(Process(KeyBy(in, codec.Int[int64](), keyOf), names[1], counting(nil, keyOf)), names[2], out.open)
		return g
	}
	for name, c := range map[string]struct {
		job  func(Options, *tape, *paper[count]) *Graph
		want error
	}{
		"unknown operator": {func(o Options, s *tape, out *paper[count]) *Graph {
			return counts(New(o), s, out, "numbers", "tally", "paper")
		}, checkpoint.ErrOperator},
		"source is now an operator": {func(o Options, s *tape, out *paper[count]) *Graph {
			return counts(New(o), s, out, "counts", "numbers", "paper")
		}, ErrKind},
		"operator is now a sink": {func(o Options, s *tape, out *paper[count]) *Graph {
			return counts(New(o), s, out, "numbers", "paper", "counts")
		}, ErrKind},
		"source is now a sink": {func(o Options, s *tape, out *paper[count]) *Graph {
			return counts(New(o), s, out, "paper", "counts", "numbers")
		}, ErrKind},
		"lower max parallelism": {func(o Options, s *tape, out *paper[count]) *Graph {
			o.MaxParallelism = 64
			return countJob(o, s, out, nil)
		}, state.ErrMaxParallelism},
		"parallelism above the recorded maximum": {func(o Options, s *tape, out *paper[count]) *Graph {
			o.Parallelism = 129
			return countJob(o, s, out, nil)
		}, ErrParallelism},
		"partition is gone": {func(o Options, s *tape, out *paper[count]) *Graph {
			s.partitions = s.partitions[:1]
			return countJob(o, s, out, nil)
		}, ErrPartition},
		"unknown state": {func(o Options, s *tape, out *paper[count]) *Graph {
			g := New(o)
			in := From(g, "numbers", s, SourceOptions{})
			AddSink(Process(KeyBy(in, codec.Int[int64](), keyOf), "counts",
				func(*Task[int64, count]) (func(Event[int64]) error, error) {
					return func(Event[int64]) error { return nil }, nil
				}), "paper", out.open)
			return g
		}, state.ErrUnknownState},
	} {
		t.Run(name, func(t *testing.T) {
			o, source, out := memory("misfit"), numbers(4_000, 2), &paper[count]{}
			o.MaxParallelism = 128
			runUntilStopped(t, o, source, out)
			o.MaxRestarts, o.MaxParallelism = 3, 0
			_, err := c.job(o, source, out).Run(t.Context())
			require.ErrorIs(t, err, c.want)
			require.ErrorContains(t, err, "after 0 restarts")
			goleak.VerifyNone(t)
		})
	}
}

// Errors that are final while an attempt begins, or that mark a damaged checkpoint, lead to an
// ordinary restart when a running attempt returns them.
func TestErrorOfARunningAttemptLeadsToARestart(t *testing.T) {
	for _, reason := range []error{ErrInvalid, damagedError{errBroken}} {
		o, source, out := memory("at-work"), numbers(4_000, 2), &paper[count]{}
		var completed atomic.Bool
		var failures atomic.Int64
		source.before = func(_ int, offset int64) (bool, error) {
			if !completed.Load() {
				return offset > 0, nil
			}
			if failures.Add(1) <= 2 { // the second failure is of an attempt that restored a checkpoint
				return false, reason
			}
			return false, nil
		}
		o.MaxRestarts = 2
		o.OnCheckpoint = func(r CheckpointReport) { completed.Store(completed.Load() || r.Err == nil) }
		report, err := countJob(o, source, out, nil).Run(t.Context())
		require.NoError(t, err)
		requireCounts(t, 4_000, out)
		require.Len(t, report.Restores, 3)
		for _, from := range report.Restores[1:] {
			require.NotZero(t, from.Checkpoint)
			require.Empty(t, from.Skipped)
		}
	}
}

func TestTooManyFailedCheckpointsFailTheJob(t *testing.T) {
	o, source, out := memory("refused"), numbers(4_000, 2), &paper[count]{}
	o.Checkpoints.Storage = checkpoint.NewMemory(checkpoint.MemoryOptions{MaxStateBytes: 1})
	o.Checkpoints.TolerableFailures = 2
	source.before = func(int, int64) (bool, error) { return true, nil }
	failed := 0
	o.OnCheckpoint = func(r CheckpointReport) {
		if errors.Is(r.Err, checkpoint.ErrStateTooLarge) {
			failed++
		}
	}
	_, err := countJob(o, source, out, nil).Run(t.Context())
	require.ErrorIs(t, err, checkpoint.ErrTooManyFailures)
	require.ErrorIs(t, err, checkpoint.ErrStateTooLarge)
	require.GreaterOrEqual(t, failed, 3)
	goleak.VerifyNone(t)
}

func TestSinkGetsNilOnlyInAJobWithoutACheckpoint(t *testing.T) {
	o, source := memory("forgetful"), numbers(4_000, 2)
	var opens [][]byte
	var completed, failed atomic.Bool
	source.before = func(int, int64) (bool, error) {
		if !completed.Load() || failed.Swap(true) {
			return !completed.Load(), nil
		}
		return false, errBroken
	}
	o.MaxRestarts = 1
	o.OnCheckpoint = func(r CheckpointReport) { completed.Store(completed.Load() || r.Err == nil) }
	g := New(o)
	in := From(g, "numbers", source, SourceOptions{})
	AddSink(Process(KeyBy(in, codec.Int[int64](), keyOf), "counts", counting(nil, keyOf)), "sink", func(_ context.Context, restored []byte) (Sink[count], error) {
		opens = append(opens, restored)
		return drain[count]{}, nil
	})
	_, err := g.Run(t.Context())
	require.NoError(t, err)
	require.Equal(t, [][]byte{nil, {}}, opens)
}

// reluctant is a sink whose first Close fails.
type reluctant struct {
	drain[count]
	closed *[]bool
}

func (s reluctant) Close(finished bool) error {
	*s.closed = append(*s.closed, finished)
	if len(*s.closed) == 1 {
		return errBroken
	}
	return nil
}

func TestFailedCloseOfASinkRestartsTheJob(t *testing.T) {
	var closed []bool
	g := New(Options{Name: "reluctant", Open: hash, MaxRestarts: 1})
	in := From(g, "numbers", numbers(1_000, 2), SourceOptions{})
	AddSink(Process(KeyBy(in, codec.Int[int64](), keyOf), "counts", counting(nil, keyOf)), "sink", func(context.Context, []byte) (Sink[count], error) {
		return reluctant{closed: &closed}, nil
	})
	report, err := g.Run(t.Context())
	require.NoError(t, err)
	require.ErrorIs(t, report.Restores[1].Cause, errBroken)
	require.EqualValues(t, 2_000, report.Records)
	require.Equal(t, []bool{true, true}, closed)
}

func TestUnclaimedStateIsDroppedIfAllowed(t *testing.T) {
	o, source, out := memory("unclaimed"), numbers(4_000, 2), &paper[count]{}
	runUntilStopped(t, o, source, out)
	o.Checkpoints.AllowUnclaimed = true
	g := New(o)
	in := From(g, "numbers", source, SourceOptions{})
	AddSink(Process(KeyBy(in, codec.Int[int64](), keyOf), "anew", counting(nil, keyOf)), "paper", out.open)
	report, err := g.Run(t.Context())
	require.NoError(t, err)
	require.NotZero(t, report.Restores[0].Checkpoint)
}

// The job uses the number of key groups in the checkpoint, and reads new partitions from their
// first element.
func TestRestoreKeepsMaxParallelismAndReadsNewPartitions(t *testing.T) {
	o, out := memory("grown"), &paper[count]{}
	o.MaxParallelism = 7
	all := numbers(6_000, 3)
	fewer := &tape{partitions: all.partitions[:2]}
	runUntilStopped(t, o, fewer, out)
	o.MaxParallelism, o.Parallelism = 0, 7
	_, err := countJob(o, all, out, nil).Run(t.Context())
	require.NoError(t, err)
	requireCounts(t, 6_000, out)
}
