package window_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/weirstate/weir/heapstate"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
	"github.com/weirstate/weir/state/statetest"
	"github.com/weirstate/weir/window"
)

// opener opens an empty backend.
type opener func(state.Options) (snapshot.Backend, error)

var backends = map[string]opener{
	"hash":  func(o state.Options) (snapshot.Backend, error) { return heapstate.NewHash(o) },
	"btree": func(o state.Options) (snapshot.Backend, error) { return heapstate.NewBTree(o) },
	"bytes": func(o state.Options) (snapshot.Backend, error) { return statetest.NewBytes(o, 32) },
}

// task is a host of windows.
type task struct {
	ctx       context.Context
	backend   snapshot.Backend
	keyed     *state.Keyed[string]
	watermark int64
	services  []service
}

type service struct {
	timers *state.Timers[string]
	fire   func(state.Timer[string]) error
}

func newTask(open opener, o state.Options) (*task, error) {
	b, err := open(o)
	if err != nil {
		return nil, err
	}
	k, err := state.NewKeyed(b, codec.String[string]())
	return &task{ctx: context.Background(), backend: b, keyed: k, watermark: math.MinInt64}, err
}

func (t *task) Context() context.Context    { return t.ctx }
func (t *task) Keyed() *state.Keyed[string] { return t.keyed }
func (t *task) Watermark() int64            { return t.watermark }

func (t *task) Timers(name string, fire func(state.Timer[string]) error) (*state.Timers[string], error) {
	timers, err := state.TimersOf(t.keyed, name)
	t.services = append(t.services, service{timers, fire})
	return timers, err
}

// advance sets the watermark and fires the timers that are due.
func (t *task) advance(watermark int64) error {
	t.watermark = watermark
	for _, s := range t.services {
		if err := s.timers.Advance(state.EventTime, watermark, s.fire); err != nil {
			return err
		}
	}
	return nil
}

// timers returns the number of timers.
func (t *task) timers(tb rapid.TB) (sum int) {
	for _, s := range t.services {
		n, err := s.timers.Len(state.EventTime)
		require.NoError(tb, err)
		sum += n
	}
	return sum
}

// adder is the part of Windows that does not depend on the type of the result.
type adder interface {
	Add(time int64, in int64) error
	Late() int64
}

// declare declares windows on a task. They emit to out.
type declare func(t *task, out *output) (adder, error)

// output holds the results and the late elements of windows, one line each.
type output struct{ results, late []string }

func (o *output) tooLate(key string, time, in int64) error {
	o.late = append(o.late, fmt.Sprint(key, " ", time, " ", in))
	return nil
}

func resultLine(key string, w window.Window, values []int64) string {
	return fmt.Sprint(key, " ", w.Start, " ", w.End, " ", values)
}

// sortedValues returns result lines in order, with the values of each line in order.
func sortedValues(lines []string) []string {
	for i, line := range lines {
		head, values, _ := strings.Cut(strings.TrimSuffix(line, "]"), "[")
		lines[i] = head + fmt.Sprint(slices.Sorted(slices.Values(strings.Fields(values))))
	}
	slices.Sort(lines)
	return lines
}

func (o *output) options(a window.Assigner, lateness int64) window.Options[string, int64, []int64] {
	return window.Options[string, int64, []int64]{
		Assigner: a, Lateness: lateness, Late: o.tooLate,
		Emit: func(r window.Result[string, []int64]) error {
			o.results = append(o.results, resultLine(r.Key, r.Window, r.Value))
			return nil
		},
	}
}

// gathering returns a descriptor that folds elements into a list, so that results show them.
func gathering(name string) state.AggregatingDescriptor[int64, []int64, []int64] {
	join := func(a, b []int64) ([]int64, error) { return append(a[:len(a):len(a)], b...), nil }
	return state.AggregatingDescriptor[int64, []int64, []int64]{
		Name: name, Codec: codec.Slice(codec.Int[int64]()),
		Create: func() []int64 { return nil },
		Add:    func(a []int64, v int64) ([]int64, error) { return join(a, []int64{v}) },
		Merge:  join,
		Result: func(a []int64) ([]int64, error) { return a, nil },
	}
}

func aggregating(a window.Assigner, lateness int64) declare {
	return func(t *task, out *output) (adder, error) {
		return window.Aggregate(t, out.options(a, lateness), gathering("windows"))
	}
}

func listing(a window.Assigner, lateness int64) declare {
	return func(t *task, out *output) (adder, error) {
		d := state.ListDescriptor[int64]{Name: "windows", Codec: codec.Int[int64]()}
		return window.List(t, out.options(a, lateness), d)
	}
}

// fleet is windows in several tasks, like the subtasks of an operator.
type fleet struct {
	tb      rapid.TB
	open    opener
	declare declare
	tasks   []*task
	windows []adder
	out     output
}

const maxParallelism = 16

func newFleet(tb rapid.TB, open opener, d declare, parallelism int) *fleet {
	f := &fleet{tb: tb, open: open, declare: d}
	f.start(parallelism)
	return f
}

// start replaces the tasks by new, empty ones.
func (f *fleet) start(parallelism int) {
	f.tasks, f.windows = nil, nil
	for i := range parallelism {
		t, err := newTask(f.open, state.Options{Keyspace: state.SubtaskKeyspace(i, parallelism, maxParallelism)})
		require.NoError(f.tb, err)
		w, err := f.declare(t, &f.out)
		require.NoError(f.tb, err)
		f.tasks, f.windows = append(f.tasks, t), append(f.windows, w)
	}
}

func (f *fleet) add(key string, time, in int64) {
	for i, t := range f.tasks {
		if t.keyed.SetKey(key) == nil {
			require.NoError(f.tb, f.windows[i].Add(time, in))
			return
		}
	}
	f.tb.Fatal("no task owns the key")
}

func (f *fleet) advance(watermark int64) {
	for _, t := range f.tasks {
		require.NoError(f.tb, t.advance(watermark))
	}
}

// restart takes a snapshot of all tasks and restores it into new ones, whose watermark is
// math.MinInt64.
func (f *fleet) restart(parallelism int) {
	files := make(memory)
	var handles []snapshot.Handle
	for i, t := range f.tasks {
		r, err := snapshot.Start(context.Background(), t.backend, files, snapshot.Options{Name: fmt.Sprint(i), Synchronous: true})
		require.NoError(f.tb, err)
		h, err := r.Wait()
		require.NoError(f.tb, err)
		handles = append(handles, h)
		require.NoError(f.tb, t.backend.Close())
	}
	f.start(parallelism)
	for _, t := range f.tasks {
		_, err := snapshot.Restore(context.Background(), t.backend, files, handles, snapshot.RestoreOptions{})
		require.NoError(f.tb, err)
	}
}

// requireEmpty requires that no task has state, as after the end of all windows.
func (f *fleet) requireEmpty() {
	f.tb.Helper()
	for _, t := range f.tasks {
		require.True(f.tb, t.backend.Empty())
	}
}

// take returns the results since the last call.
func (f *fleet) take() (results []string) {
	results, f.out.results = f.out.results, nil
	return results
}

// takeLate returns the elements that were late since the last call.
func (f *fleet) takeLate() (late []string) {
	late, f.out.late = f.out.late, nil
	return late
}

// memory is a snapshot.Target and snapshot.Source that holds files by name.
type memory map[string][]byte

func (m memory) Create(_ context.Context, name string) (snapshot.File, error) {
	return &file{memory: m, name: name}, nil
}

func (m memory) Open(_ context.Context, name string) (snapshot.Object, error) {
	content, ok := m[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return object{bytes.NewReader(content)}, nil
}

type file struct {
	bytes.Buffer
	memory memory
	name   string
}

func (f *file) Commit() error {
	f.memory[f.name] = f.Bytes()
	return nil
}

func (f *file) Abort() error { return nil }

type object struct{ *bytes.Reader }

func (o object) Size() (int64, error) { return o.Reader.Size(), nil }
func (object) Close() error           { return nil }
