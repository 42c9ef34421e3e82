package heapstate_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/heapstate"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

// twin is a backend with states of every kind. Two twins that run the same operations have the
// same rows, so the rows of one are the expected rows of the other's view.
type twin struct {
	t       *testing.T
	backend *heapstate.Backend
	keyed   *state.Keyed[string]
	value   state.ValueState[string]
	list    state.ListState[string]
	entries state.MapState[string, string]
	reduced state.ReducingState[string]
	joined  state.AggregatingState[string, string]
	timers  *state.Timers[string]
}

var twinText = codec.String[string]()

func newTwin(t *testing.T, open func(state.Options) (*heapstate.Backend, error)) *twin {
	b, err := open(state.Options{Keyspace: state.WholeKeyspace(4)})
	require.NoError(t, err)
	w := &twin{t: t, backend: b}
	w.keyed, err = state.NewKeyed(b, twinText)
	require.NoError(t, err)
	join := func(a, b string) (string, error) { return (a + b)[max(0, len(a)+len(b)-20):], nil }
	var errs [6]error
	w.value, errs[0] = state.ValueOf(w.keyed, state.ValueDescriptor[string]{Name: "value", Codec: twinText})
	w.list, errs[1] = state.ListOf(w.keyed, state.ListDescriptor[string]{Name: "list", Codec: twinText})
	w.entries, errs[2] = state.MapOf(w.keyed, state.MapDescriptor[string, string]{Name: "map", Key: twinText, Value: twinText})
	w.reduced, errs[3] = state.ReducingOf(w.keyed, state.ReducingDescriptor[string]{Name: "reduced", Codec: twinText, Reduce: join})
	w.joined, errs[4] = state.AggregatingOf(w.keyed, state.AggregatingDescriptor[string, string, string]{
		Name: "joined", Codec: twinText, Create: func() string { return "" },
		Add: join, Merge: join, Result: func(s string) (string, error) { return s, nil },
	})
	w.timers, errs[5] = state.TimersOf(w.keyed, "timers")
	require.NoError(t, errors.Join(errs[:]...))
	return w
}

// step runs one random operation. It depends only on the seed, the number of the step and the
// content of the twin.
func (w *twin) step(seed, n uint64, rows []viewRow) error {
	r := rand.New(rand.NewPCG(seed, n))
	text := fmt.Sprint(n)
	space := func() []byte { return []byte([]string{"", "a", fmt.Sprint(r.IntN(6))}[r.IntN(3)]) }
	err := w.keyed.SetKey(fmt.Sprint(r.IntN(6)))
	at := space()
	for _, s := range []interface{ SetNamespace([]byte) error }{w.value, w.list, w.entries, w.reduced, w.joined} {
		err = errors.Join(err, s.SetNamespace(at))
	}
	if err != nil {
		return err
	}
	all := [](func() error){
		func() error { return w.value.Set(text) },
		func() error { return w.list.Add(text) },
		func() error { return w.list.AddAll([]string{text, text}) },
		func() error { return w.list.Set([]string{text}) },
		func() error { return w.entries.Put(fmt.Sprint(r.IntN(200)), text) },
		func() error { return w.entries.Remove(fmt.Sprint(r.IntN(200))) },
		func() error { return w.fillMap(text) },
		func() error { return w.reduced.Add(text) },
		func() error { return w.joined.Add(text) },
		func() error { return w.timers.Register(state.Domain(r.IntN(2)), int64(r.IntN(50)), at) },
		func() error { return w.timers.Delete(state.Domain(r.IntN(2)), int64(r.IntN(50)), at) },
		func() error { return w.list.MergeNamespaces(at, [][]byte{space(), space()}) },
		func() error { return w.reduced.MergeNamespaces(at, [][]byte{space(), space()}) },
		func() error { return w.joined.MergeNamespaces(at, [][]byte{space(), space()}) },
		func() error { return w.clear(r.IntN(5)) },
		func() error { return w.clear(r.IntN(5)) },
		func() error { return w.many(r.IntN(2000), r.IntN(2) == 0, text) },
		func() error { return w.advance(int64(r.IntN(10))) },
		func() error { return w.load(r, rows) },
		func() error { return w.firstKey() },
	}
	return all[r.IntN(len(all))]()
}

// fillMap makes the map of the current key large enough that the table keeps it as a tree.
func (w *twin) fillMap(text string) error {
	entries := make(map[string]string)
	for i := range 100 {
		entries[fmt.Sprint(i)] = text
	}
	return w.entries.PutAll(entries)
}

func (w *twin) clear(which int) error {
	return []interface{ Clear() error }{w.value, w.list, w.entries, w.reduced, w.joined}[which].Clear()
}

// many sets or clears the values of many keys, so that the index grows and moves rows.
func (w *twin) many(first int, clears bool, text string) (err error) {
	for i := range 300 {
		err = errors.Join(err, w.keyed.SetKey(fmt.Sprint("many ", first+i)))
		if clears {
			err = errors.Join(err, w.value.Clear())
		} else {
			err = errors.Join(err, w.value.Set(text))
		}
	}
	return err
}

func (w *twin) advance(to int64) error {
	return w.timers.Advance(state.EventTime, to, func(state.Timer[string]) error { return w.value.Set("fired") })
}

// load loads a row of an earlier view, as a restore does.
func (w *twin) load(r *rand.Rand, rows []viewRow) error {
	if len(rows) == 0 {
		return nil
	}
	row := rows[r.IntN(len(rows))]
	return w.backend.Load(row.key, row.value)
}

// firstKey lists keys and stops at the first.
func (w *twin) firstKey() error {
	for _, err := range w.keyed.Keys("value", nil) {
		return err
	}
	return nil
}

// declare declares another state and writes a row of it.
func (w *twin) declare(name string) {
	v, err := state.ValueOf(w.keyed, state.ValueDescriptor[string]{Name: name, Codec: twinText})
	require.NoError(w.t, err)
	require.NoError(w.t, w.keyed.SetKey("k"))
	require.NoError(w.t, v.Set(name))
}

type viewRow struct{ key, value []byte }

var errSeenEnough = errors.New("seen enough")

// rowsOf reads the rows of a view, at most the given number.
func rowsOf(v snapshot.View, most int) (rows []viewRow, err error) {
	for group := range uint16(4) {
		err := v.Rows(group, func(key, value []byte) error {
			if len(rows) == most {
				return errSeenEnough
			}
			rows = append(rows, viewRow{bytes.Clone(key), bytes.Clone(value)})
			return nil
		})
		if err != nil {
			return rows, err
		}
	}
	return rows, nil
}

// The test compares every byte of each view with the content of all states when the view was
// taken, while the task writes, merges, fires timers, loads, declares, scans and closes. Some
// views are closed early while other views of the same pages are still read.
func TestViewsAreUnchangedWhateverTheTaskDoes(t *testing.T) {
	for name, open := range map[string]func(state.Options) (*heapstate.Backend, error){
		"hash": heapstate.NewHash, "btree": heapstate.NewBTree,
	} {
		for seed := range uint64(2) {
			t.Run(fmt.Sprint(name, " ", seed), func(t *testing.T) { viewsOfTwins(t, open, seed) })
		}
	}
}

func viewsOfTwins(t *testing.T, open func(state.Options) (*heapstate.Backend, error), seed uint64) {
	const views, atATime = 30, 4
	tested, mirror := newTwin(t, open), newTwin(t, open)
	var rows []viewRow // of the last view
	var readers sync.WaitGroup
	wrong := make(chan string, views)
	slots := make(chan struct{}, atATime)
	n := uint64(0)
	for number := range views {
		for range 60 {
			n++
			require.NoError(t, errors.Join(mirror.step(seed, n, rows), tested.step(seed, n, rows)))
		}
		if number%10 == 5 {
			tested.declare(fmt.Sprint("state ", number))
			mirror.declare(fmt.Sprint("state ", number))
		}
		v, err := mirror.backend.View()
		require.NoError(t, err)
		want, err := rowsOf(v, 1<<30)
		require.NoError(t, err)
		v.Close()
		rows = want

		slots <- struct{}{}
		v, err = tested.backend.View()
		require.NoError(t, err)
		readers.Go(func() {
			defer func() { v.Close(); <-slots }()
			most := 1 << 30
			if number%3 == 0 {
				most = len(want) / 2
			}
			got, err := rowsOf(v, most)
			if err != nil && !errors.Is(err, errSeenEnough) || len(got) != min(most, len(want)) {
				wrong <- fmt.Sprintf("view %d: %d rows of %d: %v", number, len(got), len(want), err)
				return
			}
			for i, row := range got {
				if !bytes.Equal(row.key, want[i].key) || !bytes.Equal(row.value, want[i].value) {
					wrong <- fmt.Sprintf("view %d: row %d is %x %q, was %x %q", number, i, row.key, row.value, want[i].key, want[i].value)
					return
				}
			}
		})
	}
	require.NoError(t, tested.backend.Close())
	readers.Wait()
	require.Empty(t, wrong)
}
