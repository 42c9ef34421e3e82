package heapstate_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/heapstate"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

const (
	// emptyStateBytes is the maximum memory of a declared state without rows: table, index,
	// handle and entries of the registry together.
	emptyStateBytes = 1 << 10
	// measuredStates is the number of states per measurement. At a power of two the maps of
	// the registry have just doubled, which is their worst case.
	measuredStates = 4096
)

// sparseKind declares states of one kind and writes to them.
type sparseKind struct {
	declare func(k *state.Keyed[string], name string) (any, error)
	add     func(handle any) error // adds a row under the current key
	clear   func(handle any) error // removes the rows under the current key
}

// clearable is implemented by the handles of all kinds but timers.
type clearable interface{ Clear() error }

func clearHandle(handle any) error { return handle.(clearable).Clear() }

var (
	number = codec.Int[int64]()
	text   = codec.String[string]()
)

var sparseKinds = map[string]sparseKind{
	"value": {
		func(k *state.Keyed[string], name string) (any, error) {
			return state.ValueOf(k, state.ValueDescriptor[int64]{Name: name, Codec: number})
		},
		func(handle any) error { return handle.(state.ValueState[int64]).Set(1) },
		clearHandle,
	},
	"list": {
		func(k *state.Keyed[string], name string) (any, error) {
			return state.ListOf(k, state.ListDescriptor[string]{Name: name, Codec: text})
		},
		func(handle any) error { return handle.(state.ListState[string]).Add("element") },
		clearHandle,
	},
	"map": {
		func(k *state.Keyed[string], name string) (any, error) {
			return state.MapOf(k, state.MapDescriptor[string, int64]{Name: name, Key: text, Value: number})
		},
		func(handle any) error { return handle.(state.MapState[string, int64]).Put("entry", 1) },
		clearHandle,
	},
	"reducing": {
		func(k *state.Keyed[string], name string) (any, error) {
			return state.ReducingOf(k, state.ReducingDescriptor[int64]{
				Name: name, Codec: number, Reduce: func(a, b int64) (int64, error) { return a + b, nil },
			})
		},
		func(handle any) error { return handle.(state.ReducingState[int64]).Add(1) },
		clearHandle,
	},
	"aggregating": {
		func(k *state.Keyed[string], name string) (any, error) {
			return state.AggregatingOf(k, state.AggregatingDescriptor[int64, int64, int64]{
				Name: name, Codec: number,
				Create: func() int64 { return 0 },
				Add:    func(a, v int64) (int64, error) { return a + v, nil },
				Merge:  func(a, b int64) (int64, error) { return a + b, nil },
				Result: func(a int64) (int64, error) { return a, nil },
			})
		},
		func(handle any) error { return handle.(state.AggregatingState[int64, int64]).Add(1) },
		clearHandle,
	},
	"timers": {
		func(k *state.Keyed[string], name string) (any, error) { return state.TimersOf(k, name) },
		func(handle any) error { return handle.(*state.Timers[string]).Register(state.EventTime, 1, nil) },
		func(handle any) error { return handle.(*state.Timers[string]).Delete(state.EventTime, 1, nil) },
	},
}

// sparseStates holds many declared states of one kind.
type sparseStates struct {
	sparseKind
	backend *heapstate.Backend
	keyed   *state.Keyed[string]
	handles []any
	before  int // bytes in use on the heap before the states were declared
}

// eachSparseKind runs a test for every kind on both backends, with the given number of states.
func eachSparseKind(t *testing.T, states int, test func(t *testing.T, s *sparseStates)) {
	for name, kind := range sparseKinds {
		t.Run(name, func(t *testing.T) {
			both(t, state.Options{}, func(t *testing.T, b *heapstate.Backend, k *state.Keyed[string]) {
				names := make([]string, states)
				for i := range names {
					names[i] = fmt.Sprint("state ", i)
				}
				s := &sparseStates{sparseKind: kind, backend: b, keyed: k, handles: make([]any, states)}
				s.before = heapBytes()
				for i, name := range names {
					var err error
					if s.handles[i], err = kind.declare(k, name); err != nil {
						require.NoError(t, err)
					}
				}
				test(t, s)
			})
		})
	}
}

// each calls do with every handle, under each of a number of keys.
func (s *sparseStates) each(t *testing.T, keys int, do func(handle any) error) {
	for key := range keys {
		require.NoError(t, s.keyed.SetKey(fmt.Sprint("key ", key)))
		for _, handle := range s.handles {
			if err := do(handle); err != nil {
				require.NoError(t, err)
			}
		}
	}
}

// bytes returns the average memory of a state.
func (s *sparseStates) bytes(t *testing.T) int {
	size := (heapBytes() - s.before) / len(s.handles)
	t.Logf("%d B per state", size)
	runtime.KeepAlive(s)
	return size
}

// A job may declare many states, and most of them may be empty in a subtask.
func TestUnusedStateTakesAtMostAKilobyte(t *testing.T) {
	eachSparseKind(t, measuredStates, func(t *testing.T, s *sparseStates) {
		require.True(t, s.backend.Empty())
		require.LessOrEqual(t, s.bytes(t), emptyStateBytes)
	})
}

// A state that was used and cleared keeps little memory for its next row.
func TestClearedStateTakesAtMostAKilobyte(t *testing.T) {
	eachSparseKind(t, measuredStates, func(t *testing.T, s *sparseStates) {
		for range 3 {
			s.each(t, 1, s.add)
			require.Less(t, s.bytes(t), emptyStateBytes+emptyStateBytes/4)
			s.each(t, 1, s.clear)
		}
		require.True(t, s.backend.Empty())
		require.LessOrEqual(t, s.bytes(t), emptyStateBytes)
	})
}

// A state that had many rows frees their memory when it was empty, and did not change, between
// two snapshots; not at once when its last row is removed.
func TestStateEmptyBetweenSnapshotsFreesItsMemory(t *testing.T) {
	const states, rows = 256, 100
	eachSparseKind(t, states, func(t *testing.T, s *sparseStates) {
		snapshot := func() {
			view, err := s.backend.View()
			require.NoError(t, err)
			view.Close()
		}
		s.each(t, rows, s.add)
		s.each(t, rows, s.clear)
		s.each(t, 2, s.add)
		snapshots := func() { // together they check each state once
			for range states / 64 {
				snapshot()
			}
		}
		snapshots()
		snapshots()
		s.each(t, 2, s.clear)
		require.True(t, s.backend.Empty())
		snapshots()
		if !strings.Contains(t.Name(), "timers") { // timers keep no memory
			require.Greater(t, s.bytes(t), 4*emptyStateBytes, "a state keeps its memory while it is empty for a short time")
		}
		snapshots()
		require.LessOrEqual(t, s.bytes(t), emptyStateBytes)
		s.each(t, 1, s.add)
		require.False(t, s.backend.Empty())
	})
}

// Set and Clear of the only row, in turn, allocate nothing, although each Clear empties the state.
func TestSetAndClearInTurnAllocateNothing(t *testing.T) {
	for name, kind := range sparseKinds {
		if name == "list" || name == "map" || name == "timers" {
			continue // each of their rows is an allocation
		}
		t.Run(name, func(t *testing.T) {
			both(t, state.Options{}, func(t *testing.T, _ *heapstate.Backend, k *state.Keyed[string]) {
				handle, err := kind.declare(k, "state")
				require.NoError(t, err)
				require.NoError(t, k.SetKey("key"))
				require.Zero(t, testing.AllocsPerRun(100, func() {
					_ = kind.add(handle)
					_ = kind.clear(handle)
				}))
			})
		})
	}
}

func TestViewKeepsRowsAfterTheStateFreedItsMemory(t *testing.T) {
	rowsOf := func(v snapshot.View) (n int) {
		require.NoError(t, v.Rows(0, func(_, _ []byte) error { n++; return nil }))
		return n
	}
	for name, kind := range sparseKinds {
		t.Run(name, func(t *testing.T) {
			both(t, oneGroup, func(t *testing.T, b *heapstate.Backend, k *state.Keyed[string]) {
				handle, err := kind.declare(k, "state")
				require.NoError(t, err)
				each := func(keys int, do func(handle any) error) {
					for key := range keys {
						require.NoError(t, k.SetKey(fmt.Sprint("key ", key)))
						require.NoError(t, do(handle))
					}
				}
				view := func() snapshot.View {
					v, err := b.View()
					require.NoError(t, err)
					return v
				}
				for _, rows := range []int{5, 500} {
					each(rows, kind.add)
					full := view()
					each(rows, kind.clear)
					for range 4 {
						empty := view()
						require.Zero(t, rowsOf(empty))
						empty.Close()
					}
					each(3, kind.add)
					small := view()
					require.Equal(t, rows, rowsOf(full))
					require.Equal(t, 3, rowsOf(small))
					full.Close()
					small.Close()
					each(3, kind.clear)
				}
			})
		})
	}
}

// A handle keeps the number of its namespace when the table frees its memory. If the table gave
// the number to another namespace, two handles would write to the same rows.
func TestHandleKeepsItsNamespaceWhenTheStateFreesItsMemory(t *testing.T) {
	both(t, oneGroup, func(t *testing.T, b *heapstate.Backend, k *state.Keyed[string]) {
		inSpace := func(namespace string) state.ValueState[string] {
			v, err := state.ValueOf(k, state.ValueDescriptor[string]{Name: "state", Codec: codec.String[string]()})
			require.NoError(t, err)
			require.NoError(t, v.SetNamespace([]byte(namespace)))
			return v
		}
		each := func(do func() error) {
			for key := range 5 {
				require.NoError(t, k.SetKey(fmt.Sprint("key ", key)))
				require.NoError(t, do())
			}
		}
		before := inSpace("before")
		each(func() error { return before.Set("x") })
		each(before.Clear)
		for range 2 {
			v, err := b.View()
			require.NoError(t, err)
			v.Close()
		}
		after := inSpace("after")
		each(func() error { return before.Set("before") })
		each(func() error { return after.Set("after") })
		for _, v := range []state.ValueState[string]{before, inSpace("before")} {
			each(func() error {
				got, _, err := v.Get()
				require.Equal(t, "before", got)
				return err
			})
		}
	})
}

// heapBytes returns the bytes in use on the heap, without garbage.
func heapBytes() int {
	runtime.GC()
	runtime.GC() // the second collection empties pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
