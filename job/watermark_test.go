package job

import (
	"math"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

// note is one event of a noting operator: an element or a timer.
type note struct {
	value     int64 // or the timestamp of a timer
	timer     bool
	watermark int64
}

// noting returns an operator that registers the given event-time timers for each element, and
// emits a note for each element and for each timer that fires.
func noting(timers ...int64) func(*Task[int64, note]) (func(Event[int64]) error, error) {
	return func(task *Task[int64, note]) (func(Event[int64]) error, error) {
		service, err := task.Timers("timers", func(timer state.Timer[int64]) error {
			return task.Emit(Event[note]{timer.Timestamp, note{timer.Timestamp, true, task.Watermark()}})
		})
		if err != nil {
			return nil, err
		}
		return func(e Event[int64]) error {
			for _, at := range timers {
				if err := service.Register(state.EventTime, at, nil); err != nil {
					return err
				}
			}
			return task.Emit(Event[note]{e.Time, note{e.Value, false, task.Watermark()}})
		}, nil
	}
}

func noteJob(o Options, s Source[int64], disorder int64, out *paper[note], timers ...int64) *Graph {
	g := New(o)
	in := From(g, "numbers", s, SourceOptions{Disorder: disorder})
	AddSink(Process(KeyBy(in, codec.Int[int64](), func(int64) int64 { return 0 }), "notes", noting(timers...)), "paper", out.open)
	return g
}

// times returns a partition whose elements have these times.
func times(all ...int64) (partition []Event[int64]) {
	for _, at := range all {
		partition = append(partition, Event[int64]{at, at})
	}
	return partition
}

func TestWatermarkIsBelowTheHighestTimeByTheDisorder(t *testing.T) {
	source := &tape{partitions: [][]Event[int64]{times(100, 90, 120, 110, 121)}, batch: 1}
	out := &paper[note]{}
	_, err := noteJob(Options{Name: "disorder", Open: hash}, source, 10, out).Run(t.Context())
	require.NoError(t, err)
	require.Equal(t, []Event[note]{
		{100, note{100, false, math.MinInt64}}, {90, note{90, false, 89}}, {120, note{120, false, 89}},
		{110, note{110, false, 109}}, {121, note{121, false, 109}},
	}, out.written())
}

func TestWatermarkDoesNotWrapAround(t *testing.T) {
	source := &tape{partitions: [][]Event[int64]{times(math.MinInt64, math.MinInt64+5, 0, math.MaxInt64)}, batch: 1}
	out := &paper[note]{}
	_, err := noteJob(Options{Name: "extremes", Open: hash}, source, math.MaxInt64, out, math.MaxInt64, math.MinInt64).Run(t.Context())
	require.NoError(t, err)
	var marks []int64
	for _, e := range out.written() {
		if !e.Value.timer {
			marks = append(marks, e.Value.watermark)
		}
	}
	require.Equal(t, []int64{math.MinInt64, math.MinInt64, math.MinInt64, math.MinInt64}, marks)
}

func TestTimersFireInOrderAndTheLastOnesAtTheEnd(t *testing.T) {
	source := &tape{partitions: [][]Event[int64]{times(1, 50, 60)}, batch: 1}
	out := &paper[note]{}
	_, err := noteJob(Options{Name: "timers", Open: hash}, source, 0, out, 48, 49, 55, math.MaxInt64).Run(t.Context())
	require.NoError(t, err)
	require.Equal(t, []Event[note]{
		{1, note{1, false, math.MinInt64}}, {50, note{50, false, 0}},
		{48, note{48, true, 49}}, {49, note{49, true, 49}}, {60, note{60, false, 49}},
		{48, note{48, true, math.MaxInt64}}, {49, note{49, true, math.MaxInt64}},
		{55, note{55, true, math.MaxInt64}}, {math.MaxInt64, note{math.MaxInt64, true, math.MaxInt64}},
	}, out.written())
}

// Partition 2 is empty and has ended; it does not hold the watermark back.
func TestWaitingPartitionHoldsTheWatermarkBack(t *testing.T) {
	for parallelism := 1; parallelism <= 3; parallelism++ {
		source := &tape{partitions: [][]Event[int64]{times(10, 20, 30), times(15), nil}}
		out := &paper[note]{}
		var waiting atomic.Bool
		waiting.Store(true)
		source.before = func(partition int, _ int64) (bool, error) { return partition == 1 && waiting.Load(), nil }
		fired := make(chan int64, 10)
		out.write = func(e Event[note]) error {
			if e.Value.timer {
				fired <- e.Time
			} else if e.Value.value == 30 { // the last element of the other partitions
				require.Empty(t, fired)
				waiting.Store(false)
			}
			return nil
		}
		_, err := noteJob(Options{Name: "idle", Open: hash, Parallelism: parallelism}, source, 0, out, 12).Run(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 12, <-fired)
	}
}

func TestWatermarkContinuesAfterARestore(t *testing.T) {
	o, out := memory("again"), &paper[note]{}
	source := &tape{partitions: [][]Event[int64]{times(10, 100, 100)}, batch: 1}
	var failed, completed atomic.Bool
	source.before = func(_ int, offset int64) (bool, error) {
		switch {
		case offset < 2 || failed.Load():
			return false, nil
		case completed.Load():
			failed.Store(true)
			return false, errBroken
		}
		return true, nil
	}
	var running *Running
	started := make(chan struct{})
	o.MaxRestarts = 1
	o.OnCheckpoint = func(r CheckpointReport) {
		<-started
		completed.Store(completed.Load() || r.Err == nil && running.Records() == 2)
	}
	var err error
	running, err = noteJob(o, source, 0, out).Start(t.Context())
	require.NoError(t, err)
	close(started)
	_, err = running.Wait()
	require.NoError(t, err)
	require.Equal(t, Event[note]{100, note{100, false, 99}}, out.written()[2])
}

// A timer of one service registers a timer of another service that is due at once.
func TestTimersRegisteredByOtherServicesFireBeforeTheWatermarkMovesOn(t *testing.T) {
	out := &paper[string]{}
	g := New(Options{Name: "services", Open: btree})
	in := From(g, "numbers", &tape{partitions: [][]Event[int64]{times(10, 20, 30)}, batch: 1}, SourceOptions{})
	notes := Process(KeyBy(in, codec.Int[int64](), keyOf), "chain", func(task *Task[int64, string]) (func(Event[int64]) error, error) {
		emit := func(name string) error { return task.Emit(Event[string]{task.Watermark(), name}) }
		var first, second *state.Timers[int64]
		first, err := task.Timers("first", func(timer state.Timer[int64]) error {
			return emit("first")
		})
		if err != nil {
			return nil, err
		}
		second, err = task.Timers("second", func(timer state.Timer[int64]) error {
			if err := first.Register(state.EventTime, timer.Timestamp+1, nil); err != nil {
				return err
			}
			return emit("second")
		})
		return func(e Event[int64]) error {
			if e.Value > 10 {
				return nil
			}
			return second.Register(state.EventTime, 12, nil)
		}, err
	})
	AddSink(notes, "paper", out.open)
	_, err := g.Run(t.Context())
	require.NoError(t, err)
	require.Equal(t, []Event[string]{{19, "second"}, {19, "first"}}, out.written())
}

// The clock of the bubble begins at midnight UTC, 2000-01-01. The source waits before its
// second element until the timer has fired.
func TestTimersOfProcessingTimeFireWhileTheSourceWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		due := time.Now().Add(10 * time.Second)
		var fired time.Time
		var hasFired atomic.Bool
		source := &tape{partitions: [][]Event[int64]{times(10, 20)}, batch: 1}
		source.before = func(_ int, offset int64) (bool, error) { return offset > 0 && !hasFired.Load(), nil }
		g := New(Options{Name: "clock", Open: hash})
		in := From(g, "numbers", source, SourceOptions{})
		Process(KeyBy(in, codec.Int[int64](), keyOf), "clock", func(task *Task[int64, int64]) (func(Event[int64]) error, error) {
			timers, err := task.Timers("timers", func(timer state.Timer[int64]) error {
				require.EqualValues(t, 10, timer.Key)
				require.False(t, hasFired.Load())
				fired = time.Now()
				hasFired.Store(true)
				return nil
			})
			return func(e Event[int64]) error {
				if e.Value == 20 { // not due at the end: never fires
					return timers.Register(state.ProcessingTime, math.MaxInt64, nil)
				}
				return timers.Register(state.ProcessingTime, due.UnixMilli(), nil)
			}, err
		})
		_, err := g.Run(t.Context())
		require.NoError(t, err)
		require.True(t, hasFired.Load())
		require.WithinRange(t, fired, due, due.Add(tickEvery))
	})
}
