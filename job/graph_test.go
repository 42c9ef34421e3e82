package job

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

func TestInvalidGraphDoesNotStart(t *testing.T) {
	good := Options{Name: "good", Open: hash}
	source := func(g *Graph) Stream[int64] { return From(g, "numbers", numbers(10, 1), SourceOptions{}) }
	keyed := func(s Stream[int64]) KeyedStream[int64, int64] { return KeyBy(s, codec.Int[int64](), keyOf) }
	out := &paper[int64]{}
	for name, c := range map[string]struct {
		o    Options
		add  func(*Graph)
		want error
	}{
		"no name":            {Options{Open: hash}, func(*Graph) {}, snapshot.ErrName},
		"path as a name":     {Options{Name: "../job"}, func(*Graph) {}, snapshot.ErrName},
		"parallelism -1":     {Options{Name: "good", Parallelism: -1}, func(*Graph) {}, ErrInvalid},
		"parallelism 2^16":   {Options{Name: "good", Parallelism: 1 << 16}, func(*Graph) {}, ErrInvalid},
		"max parallelism -1": {Options{Name: "good", MaxParallelism: -1}, func(*Graph) {}, ErrInvalid},
		"max parallelism":    {Options{Name: "good", Parallelism: 9, MaxParallelism: 8}, func(*Graph) {}, ErrParallelism},
		"restarts -1":        {Options{Name: "good", MaxRestarts: -1}, func(*Graph) {}, ErrInvalid},
		"no source":          {good, func(*Graph) {}, ErrInvalid},
		"nil source":         {good, func(g *Graph) { From[int64](g, "numbers", nil, SourceOptions{}) }, ErrInvalid},
		"disorder -1":        {good, func(g *Graph) { From(g, "numbers", numbers(1, 1), SourceOptions{Disorder: -1}) }, ErrInvalid},
		"one name twice":     {good, func(g *Graph) { AddSink(source(g), "numbers", out.open) }, ErrInvalid},
		"space in a name":    {good, func(g *Graph) { AddSink(source(g), "a sink", out.open) }, snapshot.ErrName},
		"nil sink":           {good, func(g *Graph) { AddSink(source(g), "sink", nil) }, ErrInvalid},
		"no codec": {good, func(g *Graph) {
			Process(KeyBy(source(g), nil, keyOf), "counts", counting(nil, keyOf))
		}, ErrInvalid},
		"no key": {good, func(g *Graph) {
			Process(KeyBy(source(g), codec.Int[int64](), nil), "counts", counting(nil, keyOf))
		}, ErrInvalid},
		"no function": {good, func(g *Graph) { Process[int64, int64, int](keyed(source(g)), "counts", nil) }, ErrInvalid},
		"no backend": {Options{Name: "good"}, func(g *Graph) {
			Process(keyed(source(g)), "counts", counting(nil, keyOf))
		}, ErrInvalid},
		"limits": {Options{Name: "good", Open: hash, Limits: state.Limits{MaxKeySize: -1}}, func(g *Graph) {
			Process(keyed(source(g)), "counts", counting(nil, keyOf))
		}, state.ErrInvalid},
		"no process": {good, func(g *Graph) {
			Process(keyed(source(g)), "counts", func(*Task[int64, int]) (func(Event[int64]) error, error) { return nil, nil })
		}, ErrInvalid},
		"no sink": {good, func(g *Graph) {
			AddSink(source(g), "sink", func(context.Context, []byte) (Sink[int64], error) { return nil, nil })
		}, ErrInvalid},
		"sink refuses": {good, func(g *Graph) {
			AddSink(source(g), "sink", func(context.Context, []byte) (Sink[int64], error) { return nil, errBroken })
		}, errBroken},
		"no timer to call": {good, func(g *Graph) {
			Process(keyed(source(g)), "counts", func(task *Task[int64, int]) (func(Event[int64]) error, error) {
				_, err := task.Timers("timers", nil)
				return nil, err
			})
		}, ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			g := New(c.o)
			c.add(g)
			_, err := g.Run(t.Context())
			require.ErrorIs(t, err, c.want)
			goleak.VerifyNone(t)
		})
	}
}

func TestNodesOnTheZeroStreamDoNothing(t *testing.T) {
	AddSink(Process(KeyBy(Stream[int64]{}, codec.Int[int64](), keyOf), "counts", counting(nil, keyOf)), "sink", (&paper[count]{}).open)
}

func TestGraphStartsOnce(t *testing.T) {
	g := countJob(Options{Name: "once", Open: hash}, numbers(10, 1), &paper[count]{}, nil)
	_, err := g.Run(t.Context())
	require.NoError(t, err)
	_, err = g.Start(t.Context())
	require.ErrorIs(t, err, ErrStarted)
}

func TestSecondJobOnTheSameCheckpointsDoesNotStart(t *testing.T) {
	o, source := memory("locked"), numbers(10, 1)
	source.before = func(int, int64) (bool, error) { return true, nil }
	running, err := countJob(o, source, &paper[count]{}, nil).Start(t.Context())
	require.NoError(t, err)
	_, err = countJob(o, source, &paper[count]{}, nil).Start(t.Context())
	require.ErrorIs(t, err, checkpoint.ErrLocked)
	running.Fail(errors.New("over"))
	_, err = running.Wait()
	require.Error(t, err)
	goleak.VerifyNone(t)
}

func TestKeysGoToTheSubtaskThatOwnsTheirGroup(t *testing.T) {
	for _, c := range []struct{ parallelism, groups int }{{1, 1}, {1, 128}, {3, 128}, {7, 7}, {128, 128}, {5, 32768}} {
		owners := ownersOf(c.parallelism, c.groups)
		for group, owner := range owners {
			require.True(t, state.SubtaskKeyspace(int(owner), c.parallelism, c.groups).Groups.Contains(uint16(group)))
		}
	}
}
