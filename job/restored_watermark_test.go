package job

import (
	"fmt"
	"math"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
	"github.com/weirstate/weir/window"
)

// windowJob returns a graph that writes each window of size 10 when it fires. Before the
// windows come hops operators without state. All elements have one key.
func windowJob(o Options, s Source[int64], hops int, out *paper[window.Window], after ...func(Stream[int64])) *Graph {
	g := New(o)
	key := func(int64) int64 { return 0 }
	in := From(g, "numbers", s, SourceOptions{})
	for i := range hops {
		in = Process(KeyBy(in, codec.Int[int64](), key), fmt.Sprint("hop-", i), hop)
	}
	for _, consume := range after {
		consume(in)
	}
	fired := Process(KeyBy(in, codec.Int[int64](), key), "windows", func(task *Task[int64, window.Window]) (func(Event[int64]) error, error) {
		windows, err := window.List(task, window.Options[int64, int64, []int64]{
			Assigner: window.Tumbling(10, 0),
			Emit: func(r window.Result[int64, []int64]) error {
				return task.Emit(Event[window.Window]{r.Window.End, r.Window})
			},
		}, state.ListDescriptor[int64]{Name: "elements", Codec: codec.Int[int64]()})
		return func(e Event[int64]) error { return windows.Add(e.Time, e.Value) }, err
	})
	AddSink(fired, "paper", out.open)
	return g
}

// span returns the times from first to last.
func span(first, last int64) (all []int64) {
	for at := first; at <= last; at++ {
		all = append(all, at)
	}
	return all
}

// requireFiredOnce requires that no window fired twice, and that [0, 10) fired.
func requireFiredOnce(t *testing.T, out *paper[window.Window]) {
	t.Helper()
	fired := make(map[window.Window]int)
	for _, e := range out.written() {
		fired[e.Value]++
		require.Equal(t, 1, fired[e.Value], "%v", e.Value)
	}
	require.Equal(t, 1, fired[window.Window{Start: 0, End: 10}])
}

// runInterrupted runs a job until a checkpoint has at elements of partition 0 and all elements
// of the others, and fails it. Then it calls change, which may change the source and the
// options, and runs the job again.
func runInterrupted(t *testing.T, o Options, source *tape, hops int, at int64, change func(*Options), after ...func(Stream[int64])) *paper[window.Window] {
	t.Helper()
	out := &paper[window.Window]{}
	var limit atomic.Int64
	limit.Store(at)
	source.before = func(partition int, offset int64) (bool, error) { return partition == 0 && offset >= limit.Load(), nil }
	records := at
	for _, others := range source.partitions[1:] {
		records += int64(len(others))
	}
	stopAfter(t, o, func(o Options) *Graph { return windowJob(o, source, hops, out) }, records)
	source.before = nil
	change(&o)
	report, err := windowJob(o, source, hops, out, after...).Run(t.Context())
	require.NoError(t, err)
	require.NotZero(t, report.Restores[0].Checkpoint)
	return out
}

// Partition 1 has ended and no longer holds the watermark back. After a restore it must not do
// so either: an element that was late before would not be late now, and its window, which fired
// long ago, would fire again.
func TestWatermarkDoesNotFallBackWhenAPartitionHadEnded(t *testing.T) {
	for parallelism := 1; parallelism <= 3; parallelism++ {
		for hops := range 2 {
			t.Run(fmt.Sprint(parallelism, "/", hops), func(t *testing.T) {
				late := append(append(span(100, 1150), 5), span(1151, 2099)...)
				source := &tape{partitions: [][]Event[int64]{times(late...), times(1)}, batch: 100}
				o := memory("ended")
				o.Parallelism = parallelism
				out := runInterrupted(t, o, source, hops, 1_000, func(*Options) {})
				requireFiredOnce(t, out)
			})
		}
	}
}

// The same with a new partition that has no elements yet: the subtask that reads it has no
// watermark to send. The operator must use the watermark that it had in the checkpoint.
func TestWatermarkDoesNotFallBackForANewPartition(t *testing.T) {
	for parallelism := 1; parallelism <= 3; parallelism++ {
		for hops := range 2 {
			t.Run(fmt.Sprint(parallelism, "/", hops), func(t *testing.T) {
				late := append(append(span(1, 1150), 5), span(1151, 2099)...)
				source := &tape{partitions: [][]Event[int64]{times(late...)}, batch: 100}
				o := memory("grown")
				o.MaxParallelism = 4
				out := runInterrupted(t, o, source, hops, 1_000, func(o *Options) {
					o.Parallelism = parallelism
					source.partitions = append(source.partitions, times(3_000))
					source.before = heldUntil(source, 0, 2_100)
				})
				requireFiredOnce(t, out)
			})
		}
	}
}

// A restored operator sends its watermark at once to an operator that was added after it.
func TestAddedOperatorGetsTheRestoredWatermark(t *testing.T) {
	source := &tape{partitions: [][]Event[int64]{times(span(1, 2099)...)}, batch: 100}
	notes := &paper[note]{}
	grow := func(*Options) {
		source.partitions = append(source.partitions, times(3_000))
		source.before = heldUntil(source, 0, 2_100)
	}
	runInterrupted(t, memory("added"), source, 1, 1_000, grow, func(in Stream[int64]) {
		key := func(int64) int64 { return 0 }
		AddSink(Process(KeyBy(in, codec.Int[int64](), key), "notes", noting()), "more-paper", notes.open)
	})
	require.NotEmpty(t, notes.written())
	require.EqualValues(t, 999, notes.written()[0].Value.watermark)
}

// heldUntil returns a function for tape.before that holds all other partitions back until one
// partition has been read to an offset.
func heldUntil(source *tape, partition int, offset int64) func(int, int64) (bool, error) {
	var read atomic.Int64
	return func(p int, at int64) (bool, error) {
		if p == partition {
			read.Store(at)
			return false, nil
		}
		return read.Load() < min(offset, int64(len(source.partitions[partition])))-int64(source.batch), nil
	}
}

// All partitions had ended at the checkpoint, and there is a new one. All its elements are
// late, but their timers must fire at the end.
func TestTimersFireAtTheEndAfterACheckpointAtTheEnd(t *testing.T) {
	o, out := memory("at-the-end"), &paper[note]{}
	o.MaxParallelism = 1
	o.Checkpoints.Interval = 0
	build := func(partitions ...[]Event[int64]) *Graph {
		return noteJob(o, &tape{partitions: partitions}, 0, out, 10)
	}
	completeByHand(t, o, map[string]func(*checkpoint.Upload) error{
		"numbers": func(u *checkpoint.Upload) error {
			return u.Acknowledge(nil, encodePositions([]position{{encoded: encodeCount(1), records: 1, newest: 100, ended: true}}))
		},
		"notes": func(u *checkpoint.Upload) error {
			backend, err := hash(state.Options{Keyspace: state.WholeKeyspace(1)})
			require.NoError(t, err)
			writing, err := snapshot.Start(u.Context(), backend, u, snapshot.Options{Name: u.Name(), Synchronous: true})
			require.NoError(t, err)
			handle, err := writing.Wait()
			require.NoError(t, err)
			return u.Acknowledge(&handle, encodeWatermark(math.MaxInt64))
		},
		"paper": func(u *checkpoint.Upload) error {
			return u.Acknowledge(nil, append([]byte{sinkKind}, make([]byte, 8)...))
		},
	})
	_, err := build(times(100), times(5)).Run(t.Context())
	require.NoError(t, err)
	require.Equal(t, []Event[note]{
		{5, note{5, false, math.MaxInt64}}, {10, note{10, true, math.MaxInt64}},
	}, out.written())
}

// completeByHand completes a checkpoint without a job: parts acknowledge for operators with one
// subtask.
func completeByHand(t *testing.T, o Options, parts map[string]func(*checkpoint.Upload) error) {
	t.Helper()
	o.Checkpoints.Job = o.Name
	c, err := checkpoint.NewCoordinator(t.Context(), o.Checkpoints)
	require.NoError(t, err)
	tasks := &completeTasks{complete: make(chan struct{})}
	var operators []checkpoint.Subtasks
	for name := range parts {
		operators = append(operators, checkpoint.Subtasks{Operator: name, Parallelism: 1})
	}
	a, err := c.Begin(t.Context(), tasks, operators)
	require.NoError(t, err)
	id, err := a.Trigger()
	require.NoError(t, err)
	for name, acknowledge := range parts {
		require.NoError(t, acknowledge(a.Upload(id, name, 0)))
	}
	<-tasks.complete
	require.NoError(t, c.Close())
}

// completeTasks closes a channel when a checkpoint is complete.
type completeTasks struct {
	checkpoint.Tasks
	complete chan struct{}
}

func (c *completeTasks) Trigger(checkpoint.Trigger) {}
func (c *completeTasks) Complete(checkpoint.Stats)  { close(c.complete) }
