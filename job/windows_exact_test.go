package job

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
	"github.com/weirstate/weir/window"
)

// fate is the result for one element: the window that fired with it, and the number of
// elements in that window. The number is 0 for a late element.
type fate struct {
	window window.Window
	of     int
	value  int64
}

// fateJob returns a graph that puts elements into windows of five keys, after hops operators
// without state.
func fateJob(o Options, s Source[int64], hops int, a window.Assigner, out *paper[fate]) *Graph {
	g := New(o)
	in := From(g, "numbers", s, SourceOptions{Disorder: 20})
	for i := range hops {
		in = Process(KeyBy(in, codec.Int[int64](), keyOf), fmt.Sprint("hop-", i), hop)
	}
	fates := Process(KeyBy(in, codec.Int[int64](), fateKey), "windows", func(task *Task[int64, fate]) (func(Event[int64]) error, error) {
		windows, err := window.List(task, window.Options[int64, int64, []int64]{
			Assigner: a,
			Emit: func(r window.Result[int64, []int64]) error {
				for _, v := range r.Value {
					if err := task.Emit(Event[fate]{r.Window.End, fate{r.Window, len(r.Value), v}}); err != nil {
						return err
					}
				}
				return nil
			},
			Late: func(_ int64, time, v int64) error { return task.Emit(Event[fate]{time, fate{value: v}}) },
		}, state.ListDescriptor[int64]{Name: "elements", Codec: codec.Int[int64]()})
		return func(e Event[int64]) error { return windows.Add(e.Time, e.Value) }, err
	})
	AddSink(fates, "paper", out.open)
	return g
}

// scattered deals n elements to partitions of different lengths. The time of every tenth is up
// to 500 units too low, and SourceOptions.Disorder is only 20, so some elements are late.
func scattered(random *rand.Rand, n, partitions int) *tape {
	s := &tape{partitions: make([][]Event[int64], partitions), batch: 1 + random.IntN(200)}
	for i := range int64(n) {
		p := min(random.IntN(partitions), random.IntN(partitions))
		at := i
		if random.IntN(10) == 0 {
			at -= random.Int64N(500)
		}
		s.partitions[p] = append(s.partitions[p], Event[int64]{at, i})
	}
	return s
}

// The job fails at random places and continues with random numbers of subtasks.
func TestEachElementIsInOneFiredWindowOrLateThroughFailures(t *testing.T) {
	const n, runs = 6_000, 4
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 2))
			source, out := scattered(random, n, 1+random.IntN(4)), &paper[fate]{}
			assigner := []window.Assigner{window.Tumbling(10, 0), window.Session(3)}[seed%2]
			hops := random.IntN(3)
			o := memory("fates")
			o.MaxParallelism, o.Checkpoints.MaxConcurrent = 16, 1+random.IntN(3)
			build := func(o Options) *Graph { return fateJob(o, source, hops, assigner, out) }
			for run := range runs - 1 {
				o.Parallelism = 1 + random.IntN(4)
				share := n / len(source.partitions) / runs
				failAt(t, o, source, int64(share*(run+1)), random.IntN(3), build)
			}
			source.before = nil
			_, err := build(o).Run(t.Context())
			require.NoError(t, err)
			requireFates(t, n, out)
		})
	}
}

// failAt runs a job until a partition has reached an offset and then some more checkpoints are
// complete, and fails it. Shorter partitions have ended by then, or soon will.
func failAt(t *testing.T, o Options, source *tape, offset int64, checkpoints int, build func(Options) *Graph) {
	t.Helper()
	var reached atomic.Bool
	source.before = func(_ int, at int64) (bool, error) {
		if at >= offset {
			reached.Store(true)
		}
		return at >= offset, nil
	}
	var running *Running
	started := make(chan struct{})
	o.OnCheckpoint = func(r CheckpointReport) {
		<-started
		if r.Err != nil || !reached.Load() {
			return
		}
		if checkpoints--; checkpoints < 0 {
			running.Fail(errBroken)
		}
	}
	var err error
	running, err = build(o).Start(t.Context())
	require.NoError(t, err)
	close(started)
	_, err = running.Wait()
	require.ErrorIs(t, err, errBroken)
}

// requireFates requires that each of n elements has one fate, and that each window of a key
// fired once.
func requireFates(t *testing.T, n int, out *paper[fate]) {
	t.Helper()
	type fired struct {
		key    int64
		window window.Window
	}
	seen, windows, late := make(map[int64]bool), make(map[fired]int), 0
	for _, e := range out.written() {
		require.False(t, seen[e.Value.value], "two fates: %+v", e.Value)
		seen[e.Value.value] = true
		if e.Value.of == 0 {
			late++
			continue
		}
		windows[fired{fateKey(e.Value.value), e.Value.window}]++
	}
	for _, e := range out.written() {
		if e.Value.of > 0 {
			require.Equal(t, e.Value.of, windows[fired{fateKey(e.Value.value), e.Value.window}], "%+v", e.Value)
		}
	}
	require.Len(t, seen, n)
	require.NotZero(t, late)
}

func fateKey(v int64) int64 { return v % 5 }
