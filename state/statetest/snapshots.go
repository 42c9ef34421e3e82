package statetest

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/backend"
)

// overlappingSnapshots lists the properties of snapshots and views.
var overlappingSnapshots = properties{
	{"a snapshot sees nothing written after it", snapshotIsolation},
	{"a state declared during a snapshot is in the next one", stateRegisteredDuringSnapshot},
	{"states declared after a view do not change it", statesDeclaredAfterViews},
	{"each of overlapping snapshots has the state of its start", snapshotsOverlap},
	{"a snapshot runs while thousands of keys change", keysChangeDuringSnapshot},
	{"a synchronous snapshot is done when Start returns", snapshotSynchronous},
	{"a canceled snapshot leaves no files and others complete", snapshotCanceled},
	{"the rows of a view ascend and belong to its groups and states", viewRowsAscend},
}

func stateRegisteredDuringSnapshot(t *testing.T, h harness) {
	p := h.at(t, "k")
	p.fill("x")
	s := newStore()
	gate := s.gate(0)
	first := start(t, p.backend, gate, "first")
	late := listOn(t, p.keyed, "late", text)
	require.NoError(t, late.AddAll([]string{"a", "b"}))
	second := start(t, p.backend, gate, "second")
	require.NoError(t, late.Clear())
	p.clear()
	gate.open()
	handles := waitFor(t, first, second)
	require.Len(t, handles[0].States, 6)
	require.Len(t, handles[1].States, 7)
	for i, want := range [][]string{nil, {"a", "b"}} {
		q := h.program(t, state.Options{})
		late := listOn(t, q.keyed, "late", text)
		restore(t, q.backend, s, handles[i])
		q.at("k")
		q.requireFilled("x")
		requireList(t, want, late)
	}
}

// statesDeclaredAfterViews takes a view after each of several declarations and reads all views at the
// end. The backend may order states by ID, so that a new one comes before others.
func statesDeclaredAfterViews(t *testing.T, h harness) {
	b := h.backend(t, state.Options{Keyspace: state.WholeKeyspace(1)})
	k := keyedOn(t, b, text)
	require.NoError(t, k.SetKey("k"))
	var values []state.ValueState[string]
	var views []snapshot.View
	for round := range 8 {
		values = append(values, valueOn(t, k, fmt.Sprint("value ", round), text))
		for _, value := range values {
			require.NoError(t, value.Set(fmt.Sprint("round ", round)))
		}
		v, err := b.View()
		require.NoError(t, err)
		t.Cleanup(v.Close)
		views = append(views, v)
	}
	for round, v := range views {
		rows := 0
		require.NoError(t, v.Rows(0, func(_, value []byte) error {
			require.Equal(t, fmt.Sprint("round ", round), string(value[1:]))
			rows++
			return nil
		}))
		require.Equal(t, round+1, rows, "rows of the view of round %d", round)
	}
}

func snapshotsOverlap(t *testing.T, h harness) {
	p := h.program(t, state.Options{})
	s := newStore()
	var want []map[string]string
	var gates []*gate
	var running []*snapshot.Running
	for round := range 5 {
		p.work(round)
		want = append(want, p.dump())
		gates = append(gates, s.gate(round*3))
		running = append(running, start(t, p.backend, gates[round], fmt.Sprint(round)))
	}
	p.work(5)
	after := p.dump()
	for _, i := range []int{2, 4, 0, 1, 3} {
		gates[i].open()
		q := h.restored(t, state.Options{}, s, waitFor(t, running[i])...)
		require.Equal(t, want[i], q.dump(), "snapshot %d", i)
		p.work(6 + i)
		p.work(6 + i)
	}
	require.NotEqual(t, after, p.dump())
}

func keysChangeDuringSnapshot(t *testing.T, h harness) {
	p := h.program(t, state.Options{})
	for i := range 4000 {
		p.at(fmt.Sprint(i))
		require.NoError(t, p.value.Set(fmt.Sprint(i)))
	}
	s := newStore()
	running := start(t, p.backend, s, "state")
	for i := range 4000 {
		p.at(fmt.Sprint(i*7919%4000 + 1000))
		require.NoError(t, p.value.Set("after"))
	}
	q := h.restored(t, state.Options{}, s, waitFor(t, running)...)
	require.Len(t, collect(t, q.keyed.Keys("value", nil)), 4000)
	for i := range 4000 {
		q.at(fmt.Sprint(i))
		requireValue(t, fmt.Sprint(i), q.value)
	}
}

func snapshotSynchronous(t *testing.T, h harness) {
	p := h.program(t, state.Options{})
	p.work(1)
	want := p.dump()
	s := newStore()
	running, err := snapshot.Start(context.Background(), p.backend, s, snapshot.Options{Synchronous: true})
	require.NoError(t, err)
	select {
	case <-running.Done():
	default:
		require.Fail(t, "it still runs")
	}
	p.work(2)
	q := h.restored(t, state.Options{}, s, waitFor(t, running)...)
	require.Equal(t, want, q.dump())
}

func snapshotCanceled(t *testing.T, h harness) {
	p := h.program(t, state.Options{})
	p.work(1)
	want := p.dump()
	s := newStore()
	gate, never := s.gate(0), s.gate(0)
	before := start(t, p.backend, gate, "before")
	canceled := start(t, p.backend, never, "canceled")
	behind := start(t, p.backend, gate, "behind")
	canceled.Cancel()
	_, err := canceled.Wait()
	require.ErrorIs(t, err, snapshot.ErrCanceled)
	p.work(2)
	gate.open()
	for _, handle := range waitFor(t, before, behind) {
		q := h.restored(t, state.Options{}, s, handle)
		require.Equal(t, want, q.dump())
	}
	require.NotContains(t, s.content(), "canceled")
}

func viewRowsAscend(t *testing.T, h harness) {
	keyspace := state.SubtaskKeyspace(1, 3, 50)
	p := h.program(t, state.Options{Keyspace: keyspace})
	for i, key := range keysIn(t, keyspace, 40) {
		p.at(key)
		p.fill("x")
		p.putNumbered(i * 2)
		p.in(fmt.Sprint(i % 3))
		p.fill("y")
		p.in("")
	}
	v, err := p.backend.View()
	require.NoError(t, err)
	defer v.Close()
	require.Equal(t, keyspace, v.Keyspace())
	require.Equal(t, p.backend.Registry().States(), v.States())
	known := make(map[state.ID]int)
	for _, info := range v.States() {
		known[info.ID()] = 0
	}
	all := viewRows(t, p.backend)
	for i, r := range all {
		group, id, _, err := backend.SplitHeader(r.key)
		require.NoError(t, err)
		require.True(t, keyspace.Groups.Contains(group))
		require.Contains(t, known, id)
		known[id]++
		require.True(t, i == 0 || bytes.Compare(all[i-1].key, r.key) < 0, "row %d", i)
	}
	for id, rows := range known {
		require.NotZero(t, rows, "rows of state %#x", id)
	}
	group, _, _, err := backend.SplitHeader(all[0].key)
	require.NoError(t, err)
	require.ErrorIs(t, v.Rows(group, func(_, _ []byte) error { return errRefused }), errRefused)
	v.Close()
	v.Close()
}

// waitFor waits for snapshots that must succeed.
func waitFor(t testing.TB, running ...*snapshot.Running) (handles []snapshot.Handle) {
	t.Helper()
	for _, r := range running {
		handle, err := r.Wait()
		require.NoError(t, err)
		handles = append(handles, handle)
	}
	return handles
}

// snapshotIsolation runs each operation while a snapshot is blocked. The snapshot must have the state
// before the operation, and the backend the state of a backend without a snapshot.
func snapshotIsolation(t *testing.T, h harness) {
	open := func() *program {
		p := h.program(t, state.Options{Keyspace: state.WholeKeyspace(8)})
		for _, at := range []place{{"a", ""}, {"b", ""}, {"b", "s"}, {"c", "s"}} {
			p.at(at.key)
			p.in(at.namespace)
			p.putNumbered(70)
			p.fill(at.key)
			p.in("")
		}
		return p
	}
	operations := append([]operation{
		{"Timers.Advance", func(p *program) error {
			return p.fire(state.EventTime, 5, func(state.Timer[string]) error { return nil })
		}},
	}, keyOperations...)
	for _, op := range operations {
		p, undisturbed := open(), open()
		before := p.dump()
		s := newStore()
		gate := s.gate(1)
		running := start(t, p.backend, gate, "state")
		for _, key := range []string{"b", "a", "new", "b"} {
			for _, q := range []*program{p, undisturbed} {
				q.at(key)
				require.NoError(t, op.do(q), op.name)
			}
		}
		gate.open()
		q := h.restored(t, state.Options{Keyspace: state.WholeKeyspace(8)}, s, waitFor(t, running)...)
		require.Equal(t, before, q.dump(), "snapshot before %s", op.name)
		require.Equal(t, undisturbed.dump(), p.dump(), "backend after %s", op.name)
	}
}

// work changes some entries of all states. Each round leaves other contents.
func (p *program) work(round int) {
	for i := range 60 {
		p.at(fmt.Sprint((i*7 + round*11) % 40))
		p.in([]string{"", "n", "m"}[(i+round)%3])
		switch (i + round) % 5 {
		case 0:
			p.clear()
		case 1, 2:
			p.putNumbered(round*13 + i)
			p.fill(fmt.Sprint(round))
		case 3:
			p.in("")
			p.merge("n", "m", "", fmt.Sprint(round))
		case 4:
			p.fill(fmt.Sprint(i))
			require.NoError(p.t, p.list.Set([]string{fmt.Sprint(i, round)}))
			require.NoError(p.t, p.entries.Remove(numbered(round)))
		}
	}
	p.in("")
	p.register(state.EventTime, fired{int64(round), "k", "n"})
}
