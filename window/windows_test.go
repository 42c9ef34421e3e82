package window_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/heapstate"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
	"github.com/weirstate/weir/window"
)

// oneTask returns windows in one task on the hash backend.
func oneTask(t *testing.T, d declare) *fleet { return newFleet(t, backends["hash"], d, 1) }

func TestWindowFiresWhenTheWatermarkReachesItsLastTime(t *testing.T) {
	f := oneTask(t, listing(window.Tumbling(10, 0), 0))
	f.add("a", 0, 1)
	f.add("a", 9, 2)
	f.add("a", 10, 3)
	f.add("a", -1, 4)
	f.advance(-2)
	require.Empty(t, f.take())
	f.advance(8)
	require.Equal(t, []string{"a -10 0 [4]"}, f.take())
	f.advance(9)
	require.Equal(t, []string{"a 0 10 [1 2]"}, f.take())
	f.advance(19)
	require.Equal(t, []string{"a 10 20 [3]"}, f.take())
	f.requireEmpty()
}

func TestWindowFiresAgainForEachElementWithinTheLateness(t *testing.T) {
	f := oneTask(t, listing(window.Tumbling(10, 0), 5))
	f.add("a", 3, 1)
	f.advance(9)
	require.Equal(t, []string{"a 0 10 [1]"}, f.take())
	f.add("a", 4, 2)
	f.add("b", 4, 7)
	require.Equal(t, []string{"a 0 10 [1 2]", "b 0 10 [7]"}, f.take())
	f.advance(13)
	f.add("a", 5, 3)
	require.Equal(t, []string{"a 0 10 [1 2 3]"}, f.take())
	f.advance(14)
	f.requireEmpty()
	f.add("a", 6, 4)
	require.Empty(t, f.take())
	require.Equal(t, []string{"a 6 4"}, f.takeLate())
	require.EqualValues(t, 1, f.windows[0].Late())
	f.requireEmpty()
}

func TestElementIsLateOnlyIfAllItsWindowsAreOver(t *testing.T) {
	f := oneTask(t, listing(window.Sliding(10, 5, 0), 0))
	f.advance(9)
	f.add("a", 7, 1)
	require.Empty(t, f.takeLate())
	f.advance(14)
	require.Equal(t, []string{"a 5 15 [1]"}, f.take())
	f.add("a", 7, 2)
	require.Equal(t, []string{"a 7 2"}, f.takeLate())
	require.EqualValues(t, 1, f.windows[0].Late())
}

func TestLateElementsAreCountedWithoutTheLateFunction(t *testing.T) {
	task, err := newTask(backends["hash"], state.Options{})
	require.NoError(t, err)
	o := (&output{}).options(window.Tumbling(10, 0), 0)
	o.Late = nil
	w, err := window.Aggregate(task, o, gathering("windows"))
	require.NoError(t, err)
	require.NoError(t, task.advance(100))
	require.NoError(t, task.keyed.SetKey("a"))
	for i := range 3 {
		require.NoError(t, w.Add(int64(i), 0))
	}
	require.EqualValues(t, 3, w.Late())
}

func TestSessionsThatTouchMerge(t *testing.T) {
	f := oneTask(t, listing(window.Session(10), 0))
	f.add("a", 0, 1)
	f.add("a", 21, 2)
	f.add("a", 40, 3)
	f.add("b", 11, 9)
	f.add("a", 10, 4) // [10,20) touches [0,10) but not [21,31)
	f.advance(19)
	require.Equal(t, []string{"a 0 20 [1 4]"}, f.take())
	f.add("a", 31, 5) // between [21,31) and [40,50)
	f.add("a", 33, 6)
	f.advance(49)
	require.Equal(t, []string{"b 11 21 [9]", "a 21 50 [2 3 5 6]"}, f.take())
	f.requireEmpty()
}

func TestOneElementMayMergeManySessions(t *testing.T) {
	for _, d := range []declare{aggregating(window.Session(10), 0), listing(window.Session(10), 0)} {
		f := oneTask(t, d)
		f.add("a", 12, 3)
		f.add("a", 0, 1)
		f.add("a", 1, 2)
		f.add("a", 10, 4)
		f.advance(21)
		require.Equal(t, []string{"a 0 22 [1 2 3 4]"}, f.take())
		f.requireEmpty()
	}
}

func TestMergedSessionFiresEvenIfItsPartsHaveFired(t *testing.T) {
	f := oneTask(t, listing(window.Session(10), 100))
	f.add("a", 0, 1)
	f.add("a", 15, 2)
	f.advance(9)
	require.Equal(t, []string{"a 0 10 [1]"}, f.take())
	f.add("a", 8, 3)
	require.Empty(t, f.take(), "the merged session has not fired")
	f.advance(24)
	require.Equal(t, []string{"a 0 25 [1 2 3]"}, f.take())
	f.add("a", 9, 4)
	require.Equal(t, []string{"a 0 25 [1 2 3 4]"}, f.take())
	f.add("a", -20, 5)
	require.Equal(t, []string{"a -20 -10 [5]"}, f.take())
	f.add("a", -10, 6)
	require.Equal(t, []string{"a -20 25 [5 1 2 3 4 6]"}, f.take())
	f.advance(123)
	require.Empty(t, f.take())
	f.advance(124)
	f.requireEmpty()
}

func TestElementThatWouldBeLateAloneJoinsAnOpenSession(t *testing.T) {
	f := oneTask(t, listing(window.Session(10), 0))
	f.add("a", 5, 1)
	f.advance(12)
	f.add("a", 2, 2) // [2,12) is over, [2,15) is not
	f.add("a", -6, 3)
	require.Equal(t, []string{}, append([]string{}, f.takeLate()...))
	f.add("a", -17, 4)
	require.Equal(t, []string{"a -17 4"}, f.takeLate())
	f.advance(14)
	require.Equal(t, []string{"a -6 15 [1 2 3]"}, f.take())
	f.requireEmpty()
}

func TestExtremeTimesDoNotWrapAround(t *testing.T) {
	const least, most = math.MinInt64, math.MaxInt64
	for name, c := range map[string]struct {
		assigner window.Assigner
		lateness int64
		times    []int64
		want     []string // results at watermark math.MaxInt64
	}{
		"tumbling": {window.Tumbling(1000, 0), 0, []int64{least, most - 1},
			[]string{"a -9223372036854775808 -9223372036854775000 [0]", "a 9223372036854775000 9223372036854775807 [1]"}},
		"largest size": {window.Tumbling(most, 0), most, []int64{least, -1, 0, most - 1},
			[]string{"a -9223372036854775808 -9223372036854775807 [0]", "a -9223372036854775807 0 [1]", "a 0 9223372036854775807 [2 3]"}},
		"session": {window.Session(most), 10, []int64{most - 1, 0},
			[]string{"a 0 9223372036854775807 [0 1]"}},
		"sessions": {window.Session(2), most, []int64{least, least + 3, most - 1, most - 2},
			[]string{"a -9223372036854775808 -9223372036854775806 [0]", "a -9223372036854775805 -9223372036854775803 [1]",
				"a 9223372036854775805 9223372036854775807 [2 3]"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := oneTask(t, listing(c.assigner, c.lateness))
			for i, at := range c.times {
				f.add("a", at, int64(i))
			}
			f.advance(most)
			require.Equal(t, c.want, f.take())
			f.requireEmpty()
			f.add("a", most-1, 9)
			require.Len(t, f.takeLate(), 1)
		})
	}
}

// With the largest lateness a window is over only at math.MaxInt64.
func TestLatenessMayBeInfinite(t *testing.T) {
	f := oneTask(t, listing(window.Tumbling(10, 0), math.MaxInt64))
	f.add("a", 0, 1)
	f.advance(math.MaxInt64 - 1)
	f.add("a", 1, 2)
	require.Equal(t, []string{"a 0 10 [1]", "a 0 10 [1 2]"}, f.take())
}

func TestAddRefusesInvalidCalls(t *testing.T) {
	task, err := newTask(backends["hash"], state.Options{})
	require.NoError(t, err)
	w, err := window.Aggregate(task, (&output{}).options(window.Session(5), 0), gathering("windows"))
	require.NoError(t, err)
	require.ErrorIs(t, w.Add(0, 0), state.ErrNoKey)
	require.NoError(t, task.keyed.SetKey("a"))
	err = w.Add(math.MaxInt64, 0)
	require.ErrorIs(t, err, window.ErrTime)
	require.EqualError(t, err, `windows "windows": no window holds this time`)
	require.True(t, task.backend.Empty())
	require.NoError(t, task.backend.Close())
	require.ErrorIs(t, w.Add(0, 0), state.ErrClosed)
	require.Zero(t, w.Late())
}

func TestInvalidDeclarationsAreRefused(t *testing.T) {
	type options = window.Options[string, int64, []int64]
	type descriptor = state.AggregatingDescriptor[int64, []int64, []int64]
	for name, change := range map[string]func(*options, *descriptor){
		"no assigner":       func(o *options, _ *descriptor) { o.Assigner = window.Assigner{} },
		"no size":           func(o *options, _ *descriptor) { o.Assigner = window.Tumbling(0, 1) },
		"no emit":           func(o *options, _ *descriptor) { o.Emit = nil },
		"negative lateness": func(o *options, _ *descriptor) { o.Lateness = -1 },
		"no name":           func(_ *options, d *descriptor) { d.Name = "" },
		"no codec":          func(_ *options, d *descriptor) { d.Codec = nil },
		"no create":         func(_ *options, d *descriptor) { d.Create = nil },
		"no add":            func(_ *options, d *descriptor) { d.Add = nil },
	} {
		t.Run(name, func(t *testing.T) {
			task, err := newTask(backends["hash"], state.Options{})
			require.NoError(t, err)
			o, d := (&output{}).options(window.Tumbling(10, 0), 0), gathering("windows")
			change(&o, &d)
			w, err := window.Aggregate(task, o, d)
			require.ErrorIs(t, err, state.ErrInvalid)
			require.Nil(t, w)
		})
	}
	o := (&output{}).options(window.Tumbling(10, 0), 0)
	_, err := window.Aggregate(nil, o, gathering("windows"))
	require.ErrorIs(t, err, state.ErrInvalid)
	task, err := newTask(backends["hash"], state.Options{})
	require.NoError(t, err)
	_, err = window.List(task, o, state.ListDescriptor[int64]{Name: "windows"})
	require.ErrorIs(t, err, state.ErrInvalid)
}

func TestNameOfAnotherStateIsRefused(t *testing.T) {
	for _, name := range []string{"windows", "windows.sessions", "windows.session-timers"} {
		task, err := newTask(backends["hash"], state.Options{})
		require.NoError(t, err)
		_, err = state.ValueOf(task.keyed, state.ValueDescriptor[bool]{Name: name, Codec: codec.Bool[bool]()})
		require.NoError(t, err)
		w, err := window.Aggregate(task, (&output{}).options(window.Session(5), 0), gathering("windows"))
		require.ErrorIs(t, err, state.ErrStateMismatch)
		require.Nil(t, w)
	}
}

func TestErrorsOfTheUsersFunctionsAreReturnedUnchanged(t *testing.T) {
	broken := errors.New("broken")
	task, err := newTask(backends["hash"], state.Options{})
	require.NoError(t, err)
	o, d := (&output{}).options(window.Tumbling(10, 0), 5), gathering("windows")
	o.Emit = func(window.Result[string, []int64]) error { return broken }
	o.Late = func(string, int64, int64) error { return broken }
	add := d.Add
	d.Add = func(a []int64, v int64) ([]int64, error) {
		if v < 0 {
			return nil, broken
		}
		return add(a, v)
	}
	w, err := window.Aggregate(task, o, d)
	require.NoError(t, err)
	require.NoError(t, task.keyed.SetKey("a"))
	require.ErrorIs(t, w.Add(0, -1), broken)
	require.True(t, task.backend.Empty())
	require.NoError(t, w.Add(0, 1))
	require.Equal(t, broken, task.advance(9))
	require.NoError(t, task.keyed.SetKey("a"))
	require.Equal(t, broken, w.Add(0, 1), "the window fires again")
	task.watermark = 14
	require.Equal(t, broken, w.Add(0, 1), "the element is late")
}

// counting is a backend that counts the calls of TimerQueue.Add.
type counting struct {
	*heapstate.Backend
	added *int
}

type countingQueue struct {
	backend.TimerQueue
	added *int
}

func (c counting) AddTimers(i backend.Info, d state.Domain) (backend.TimerQueue, error) {
	q, err := c.Backend.AddTimers(i, d)
	return countingQueue{q, c.added}, err
}

func (q countingQueue) Add(t state.TimerEntry) error {
	*q.added++
	return q.TimerQueue.Add(t)
}

func TestOnlyTheFirstElementOfAWindowRegistersATimer(t *testing.T) {
	for name, d := range map[string]declare{
		"aggregate": aggregating(window.Tumbling(10, 0), 0),
		"list":      listing(window.Tumbling(10, 0), 0),
		"session":   aggregating(window.Session(10), 0),
	} {
		added := 0
		f := newFleet(t, func(o state.Options) (snapshot.Backend, error) {
			b, err := heapstate.NewHash(o)
			return counting{b, &added}, err
		}, d, 1)
		for range 5 {
			f.add("a", 3, 1)
			f.add("b", 3, 1)
		}
		require.Equal(t, 2, added, name)
	}
}

func TestTimerWhoseNamespaceIsNotAWindowIsCorrupt(t *testing.T) {
	for _, namespace := range [][]byte{nil, []byte("no window"), make([]byte, 16)} {
		f := oneTask(t, listing(window.Tumbling(10, 0), 0))
		task := f.tasks[0]
		require.NoError(t, task.keyed.SetKey("a"))
		require.NoError(t, task.services[0].timers.Register(state.EventTime, 5, namespace))
		err := task.advance(10)
		require.ErrorIs(t, err, state.ErrCorrupt)
		require.EqualError(t, err, fmt.Sprintf(`windows "windows": timer has a namespace of %d bytes that is not a window: want 16 bytes, start below end: corrupt state`, len(namespace)))
	}
}

// Windows that have begun keep their size, and all of their state is removed in the end.
func TestAssignerNumbersMayChangeAtARestore(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	cases := map[string][]window.Assigner{
		"sliding": {window.Tumbling(10, 0), window.Sliding(15, 4, 1), window.Tumbling(7, 3)},
		"session": {window.Session(3), window.Session(8), window.Session(5)},
	}
	for name, assigners := range cases {
		for _, lateness := range [][]int64{{0, 10, 5}, {10, 0, 20}, {20, 5, 0}} {
			t.Run(fmt.Sprint(name, lateness), func(t *testing.T) {
				f := oneTask(t, listing(assigners[0], lateness[0]))
				for i, a := range assigners {
					f.declare = listing(a, lateness[i])
					f.restart(2)
					for at := range int64(100) {
						f.add(fmt.Sprint("key ", r.IntN(3)), 50*int64(i)+at-r.Int64N(20), at)
						f.advance(50*int64(i) + at - 10)
					}
				}
				require.NotEmpty(t, f.take())
				f.advance(math.MaxInt64)
				f.requireEmpty()
			})
		}
	}
}

func TestRestoreFailsIfSessionsBecameOtherWindows(t *testing.T) {
	files := make(memory)
	kinds := []declare{listing(window.Session(10), 0), listing(window.Tumbling(10, 0), 0)}
	for i, d := range kinds {
		f := oneTask(t, d)
		f.add("a", 1, 1)
		r, err := snapshot.Start(context.Background(), f.tasks[0].backend, files, snapshot.Options{Name: fmt.Sprint(i)})
		require.NoError(t, err)
		h, err := r.Wait()
		require.NoError(t, err)
		other := oneTask(t, kinds[1-i])
		_, err = snapshot.Restore(context.Background(), other.tasks[0].backend, files, []snapshot.Handle{h}, snapshot.RestoreOptions{})
		require.ErrorIs(t, err, state.ErrUnknownState)
	}
}

func TestAddingToAWindowAllocatesNothing(t *testing.T) {
	task, err := newTask(backends["hash"], state.Options{})
	require.NoError(t, err)
	add := func(a, v int64) (int64, error) { return a + v, nil }
	w, err := window.Aggregate(task, window.Options[string, int64, int64]{
		Assigner: window.Tumbling(10, 0),
		Emit:     func(window.Result[string, int64]) error { return nil },
	}, state.AggregatingDescriptor[int64, int64, int64]{
		Name: "sums", Codec: codec.Int[int64](), Create: func() int64 { return 0 }, Add: add, Merge: add,
		Result: func(a int64) (int64, error) { return a, nil },
	})
	require.NoError(t, err)
	require.NoError(t, task.keyed.SetKey("a"))
	require.NoError(t, w.Add(0, 1))
	require.Zero(t, testing.AllocsPerRun(100, func() { _ = w.Add(1, 1) }))
}
