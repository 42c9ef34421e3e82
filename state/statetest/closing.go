package statetest

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
)

// useAfterClose lists the properties of a backend that is closed.
var useAfterClose = properties{
	{"every operation is ErrClosed", operationsAfterClose},
	{"a running iteration ends with ErrClosed", loopAfterClose},
	{"an iteration that was created before Close is ErrClosed", iterationAfterClose},
	{"closing while timers fire ends Advance with ErrClosed", firingAfterClose},
}

func operationsAfterClose(t *testing.T, h harness) {
	for _, withKey := range []bool{true, false} {
		p := h.program(t, state.Options{})
		if withKey {
			p.at("k")
			p.fill("x")
		}
		row := row{}
		if withKey {
			row = viewRows(t, p.backend)[0]
		}
		require.NoError(t, p.backend.Close())
		for _, op := range keyOperations {
			require.ErrorIs(t, op.do(p), state.ErrClosed, op.name)
		}
		for _, op := range freeOperations {
			require.ErrorIs(t, op.do(p), state.ErrClosed, op.name)
		}
		require.ErrorIs(t, p.keyed.SetKey("k"), state.ErrClosed)
		require.ErrorIs(t, p.keyed.SetKeyAndGroup("k", 0), state.ErrClosed)
		require.ErrorIs(t, p.backend.Load(row.key, row.value), state.ErrClosed)
		_, err := snapshot.Restore(context.Background(), p.backend, newStore(), nil, snapshot.RestoreOptions{})
		require.ErrorIs(t, err, state.ErrClosed)
	}
}

func loopAfterClose(t *testing.T, h harness) {
	for _, n := range []int{10, 100} {
		p := h.at(t, "k")
		p.putNumbered(n)
		steps := 0
		var last error
		for _, err := range p.entries.All() {
			steps++
			last = err
			require.NoError(t, p.backend.Close())
		}
		require.Equal(t, 2, steps, "an entry, then the error")
		require.ErrorIs(t, last, state.ErrClosed)
	}
}

func iterationAfterClose(t *testing.T, h harness) {
	p := h.at(t, "k")
	p.fill("x")
	list, entries, keys := p.list.All(), p.entries.All(), p.keyed.Keys("list", nil)
	require.NoError(t, p.backend.Close())
	require.ErrorIs(t, onlyError(t, list), state.ErrClosed)
	require.ErrorIs(t, onlyError(t, entries), state.ErrClosed)
	require.ErrorIs(t, onlyError(t, keys), state.ErrClosed)
}

func firingAfterClose(t *testing.T, h harness) {
	p := h.program(t, state.Options{})
	p.register(state.EventTime, fired{1, "a", ""}, fired{2, "a", ""})
	calls := 0
	err := p.fire(state.EventTime, 9, func(state.Timer[string]) error {
		calls++
		return p.backend.Close()
	})
	require.ErrorIs(t, err, state.ErrClosed)
	require.Equal(t, 1, calls)
}

// closing lists the properties of Close.
var closing = properties{
	{"twice is no error", closeTwice},
	{"it never deletes a snapshot", closeKeepsSnapshots},
	{"a snapshot that runs during Close is complete or fails", closeDuringSnapshot},
}

func closeTwice(t *testing.T, h harness) {
	p := h.at(t, "k")
	p.fill("x")
	require.NoError(t, p.backend.Close())
	require.NoError(t, p.backend.Close())
}

func closeKeepsSnapshots(t *testing.T, h harness) {
	p := h.program(t, state.Options{})
	p.work(1)
	want := p.dump()
	s := newStore()
	handle := save(t, p.backend, s, "state")
	files := s.content()
	require.NoError(t, p.backend.Close())
	require.Equal(t, files, s.content())
	q := h.restored(t, state.Options{}, s, handle)
	require.Equal(t, want, q.dump())
	require.NoError(t, q.backend.Close())
	require.Equal(t, files, s.content(), "Close of a restored backend deletes nothing either")
}

func closeDuringSnapshot(t *testing.T, h harness) {
	p := h.program(t, state.Options{})
	p.work(1)
	want := p.dump()
	s := newStore()
	gate := s.gate(2)
	running := start(t, p.backend, gate, "state")
	require.NoError(t, p.backend.Close())
	gate.open()
	handle, err := running.Wait()
	if err != nil {
		require.Empty(t, s.content(), "a snapshot that failed leaves nothing")
		return
	}
	q := h.restored(t, state.Options{}, s, handle)
	require.Equal(t, want, q.dump())
}
