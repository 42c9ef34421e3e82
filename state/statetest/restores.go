package statetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
)

func restoreErrors(t *testing.T, h harness) {
	const maxParallelism = 64
	whole := state.Options{Keyspace: state.WholeKeyspace(maxParallelism)}
	p := h.program(t, whole)
	p.work(1)
	want := p.dump()
	s := newStore()
	handle := save(t, p.backend, s, "state")

	number := codec.Int[int64]()
	for _, c := range []struct {
		name    string
		space   state.Keyspace
		declare func(*testing.T, snapshot.Backend)
		handles []snapshot.Handle
		options snapshot.RestoreOptions
		want    error
		says    string
	}{
		{name: "a lower max parallelism", space: state.WholeKeyspace(maxParallelism / 2), want: state.ErrMaxParallelism, says: "64"},
		{name: "a higher max parallelism", space: state.WholeKeyspace(maxParallelism * 2), want: state.ErrMaxParallelism, says: "128"},
		{name: "a state that nobody declared", want: state.ErrUnknownState, says: `"`,
			declare: func(t *testing.T, b snapshot.Backend) { valueOn(t, keyedOn(t, b, text), "value", text) }},
		{name: "another kind", want: state.ErrIncompatible, says: `"list"`,
			options: snapshot.RestoreOptions{AllowUnclaimed: true},
			declare: func(t *testing.T, b snapshot.Backend) { valueOn(t, keyedOn(t, b, text), "list", text) }},
		{name: "another codec", want: state.ErrIncompatible, says: "int64/1",
			options: snapshot.RestoreOptions{AllowUnclaimed: true},
			declare: func(t *testing.T, b snapshot.Backend) { valueOn(t, keyedOn(t, b, text), "value", number) }},
		{name: "another codec of the user keys", want: state.ErrIncompatible, says: "int64/1",
			options: snapshot.RestoreOptions{AllowUnclaimed: true},
			declare: func(t *testing.T, b snapshot.Backend) { mapOn(t, keyedOn(t, b, text), "map", number, text) }},
		{name: "another codec of the keys", want: state.ErrIncompatible, says: "int64/1",
			options: snapshot.RestoreOptions{AllowUnclaimed: true},
			declare: func(t *testing.T, b snapshot.Backend) { timersOn(t, keyedOn(t, b, number)) }},
		{name: "no handle", handles: []snapshot.Handle{}, want: snapshot.ErrCoverage, says: "63"},
		{name: "one handle twice", handles: []snapshot.Handle{handle, handle}, want: snapshot.ErrCoverage},
		{name: "a file that is not there", handles: []snapshot.Handle{renamed(handle, "gone")}, want: fs.ErrNotExist, says: "gone"},
	} {
		t.Run(c.name+" is an error before any record", func(t *testing.T) {
			if c.space == (state.Keyspace{}) {
				c.space = whole.Keyspace
			}
			if c.handles == nil {
				c.handles = []snapshot.Handle{handle}
			}
			b := h.backend(t, state.Options{Keyspace: c.space})
			if c.declare == nil {
				c.declare = func(t *testing.T, b snapshot.Backend) { programOn(t, b) }
			}
			c.declare(t, b)
			states := b.Registry().States()
			done, err := snapshot.Restore(context.Background(), b, s, c.handles, c.options)
			require.ErrorIs(t, err, c.want)
			require.ErrorContains(t, err, c.says)
			require.Zero(t, done)
			require.True(t, b.Empty())
			require.False(t, b.Registry().Closed())
			require.Equal(t, states, b.Registry().States())
			requireUsable(t, b)
		})
	}
	t.Run("a backend that holds state is ErrNotEmpty and keeps it", func(t *testing.T) {
		q := h.program(t, whole)
		q.at("k")
		q.fill("x")
		before := q.dump()
		_, err := snapshot.Restore(context.Background(), q.backend, s, []snapshot.Handle{handle}, snapshot.RestoreOptions{})
		require.ErrorIs(t, err, state.ErrNotEmpty)
		require.Equal(t, before, q.dump())
	})
	t.Run("after an error the right restore works", func(t *testing.T) {
		q := h.program(t, whole)
		_, err := snapshot.Restore(context.Background(), q.backend, s, nil, snapshot.RestoreOptions{})
		require.ErrorIs(t, err, snapshot.ErrCoverage)
		restore(t, q.backend, s, handle)
		require.Equal(t, want, q.dump())
	})
	t.Run("AllowUnclaimed lets unknown state go and nothing else", func(t *testing.T) {
		b := h.backend(t, whole)
		k := keyedOn(t, b, text)
		list, timers := listOn(t, k, "list", text), timersOn(t, k)
		listOn(t, k, "new", text)
		done, err := snapshot.Restore(context.Background(), b, s, []snapshot.Handle{handle}, snapshot.RestoreOptions{AllowUnclaimed: true})
		require.NoError(t, err)
		require.Equal(t, handle.Rows, done.Rows+done.Unclaimed)
		require.NotZero(t, done.Unclaimed)
		for at, err := range k.KeysAndNamespaces("list") {
			require.NoError(t, err)
			require.NoError(t, k.SetKey(at.Key))
			require.NoError(t, list.SetNamespace(at.Namespace))
			name := fmt.Sprintf("list of %q in %q", at.Key, at.Namespace)
			require.Equal(t, want[name], fmt.Sprintf("%q", collect(t, list.All())))
		}
		n, err := timers.Len(state.EventTime)
		require.NoError(t, err)
		require.Len(t, namesOf(want, "timer"), n)
		require.Empty(t, collect(t, k.Keys("new", nil)))
		require.Len(t, collect(t, k.KeysAndNamespaces("list")), len(namesOf(want, "list")))
	})
	t.Run("a row that cannot be one is ErrCorrupt", func(t *testing.T) { corruptRows(t, h) })
}

// namesOf are the names of a dump that are of one kind.
func namesOf(dump map[string]string, kind string) (names []string) {
	for name := range dump {
		if strings.HasPrefix(name, kind+" ") {
			names = append(names, name)
		}
	}
	return names
}

// renamed is a handle that refers to another file.
func renamed(h snapshot.Handle, name string) snapshot.Handle {
	file := h.Files[0]
	file.Name = name
	h.Files = []snapshot.FileRef{file}
	return h
}

// requireUsable declares another state, by whichever keys the backend has, and
// uses it.
func requireUsable(t *testing.T, b snapshot.Backend) {
	t.Helper()
	var fresh state.ValueState[string]
	if k, err := state.NewKeyed(b, text); err == nil {
		require.NoError(t, k.SetKey("k"))
		fresh = valueOn(t, k, "fresh", text)
	} else {
		k := keyedOn(t, b, codec.Int[int64]())
		require.NoError(t, k.SetKey(1))
		fresh = valueOn(t, k, "fresh", text)
	}
	require.NoError(t, fresh.Set("v"))
	requireValue(t, "v", fresh)
}

// storedLater begins a stored value of a later version, which is not damage: it
// is ErrIncompatible where it is the header of a value.
const storedLater = 0xFE

// corruptRows loads rows that no backend wrote. A backend that keeps bytes may
// take one and complain when it is read.
func corruptRows(t *testing.T, h harness) {
	p := h.program(t, state.Options{Keyspace: state.WholeKeyspace(1)})
	p.at("k")
	p.fill("x")
	for _, r := range viewRows(t, p.backend) {
		for _, bad := range []row{
			{r.key[:3], r.value},
			{r.key[:backend.HeaderSize], r.value},
			{r.key[:backend.HeaderSize+2], r.value},
			{r.key, append([]byte{storedLater}, r.value...)},
		} {
			q := h.program(t, state.Options{Keyspace: state.WholeKeyspace(1)})
			err := q.backend.Load(bad.key, bad.value)
			if err == nil {
				err = readAll(q)
			}
			sound := bytes.Equal(bad.key, r.key) && errors.Is(err, state.ErrIncompatible)
			require.True(t, sound || errors.Is(err, state.ErrCorrupt), "row %x, %x: %v", bad.key, bad.value, err)
		}
	}
}

// readAll reads everything and returns the first error.
func readAll(p *program) error {
	for _, name := range keyedStates {
		for at, err := range p.keyed.KeysAndNamespaces(name) {
			if err != nil {
				return err
			}
			p.at(at.Key)
			p.in(string(at.Namespace))
			_, _, valueErr := p.value.Get()
			_, _, reducedErr := p.reduced.Get()
			_, _, joinedErr := p.joined.Get()
			for _, err := range []error{valueErr, reducedErr, joinedErr, lastError(p.list.All()), lastError(p.entries.All())} {
				if err != nil {
					return err
				}
			}
		}
	}
	return p.timers.Advance(state.EventTime, 1<<62, func(state.Timer[string]) error { return nil })
}
