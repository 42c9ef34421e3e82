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

// restoreErrors lists the properties of failing restores, and of the backend afterwards.
var restoreErrors = properties{
	{"a restore of an unsuitable snapshot fails before it loads a row", failedRestores},
	{"a backend that holds state is ErrNotEmpty and keeps it", restoreIntoState},
	{"after a failed restore, a valid one works", restoreAfterError},
	{"AllowUnclaimed leaves out unknown states only", restoreUnclaimed},
	{"a malformed row is ErrCorrupt", corruptRows},
}

// savedGroups is the number of key groups of a saved program.
const savedGroups = 64

var savedOptions = state.Options{Keyspace: state.WholeKeyspace(savedGroups)}

// saved is a snapshot of a program and the contents that it must have.
type saved struct {
	store  *store
	handle snapshot.Handle
	want   map[string]string
}

// saved takes a snapshot of a program after some work.
func (h harness) saved(t *testing.T) saved {
	t.Helper()
	p := h.program(t, savedOptions)
	p.work(1)
	want := p.dump()
	s := newStore()
	return saved{s, save(t, p.backend, s, "state"), want}
}

// failedRestore is a restore that must fail.
type failedRestore struct {
	name     string
	keyspace state.Keyspace                          // zero: the keyspace of the snapshot
	declare  func(*testing.T, snapshot.Backend)      // nil: the states of a program
	handles  func(snapshot.Handle) []snapshot.Handle // nil: the handle of the snapshot
	options  snapshot.RestoreOptions
	want     error
	says     string
}

var allowUnclaimed = snapshot.RestoreOptions{AllowUnclaimed: true}

func failedRestores(t *testing.T, h harness) {
	snap := h.saved(t)
	number := codec.Int[int64]()
	for _, c := range []failedRestore{
		{name: "a lower max parallelism", keyspace: state.WholeKeyspace(savedGroups / 2), want: state.ErrMaxParallelism, says: "64"},
		{name: "a higher max parallelism", keyspace: state.WholeKeyspace(savedGroups * 2), want: state.ErrMaxParallelism, says: "128"},
		{name: "a state that is not declared", want: state.ErrUnknownState, says: `"`,
			declare: func(t *testing.T, b snapshot.Backend) { valueOn(t, keyedOn(t, b, text), "value", text) }},
		{name: "another kind", want: state.ErrIncompatible, says: `"list"`, options: allowUnclaimed,
			declare: func(t *testing.T, b snapshot.Backend) { valueOn(t, keyedOn(t, b, text), "list", text) }},
		{name: "another codec", want: state.ErrIncompatible, says: "int64/1", options: allowUnclaimed,
			declare: func(t *testing.T, b snapshot.Backend) { valueOn(t, keyedOn(t, b, text), "value", number) }},
		{name: "another codec of the user keys", want: state.ErrIncompatible, says: "int64/1", options: allowUnclaimed,
			declare: func(t *testing.T, b snapshot.Backend) { mapOn(t, keyedOn(t, b, text), "map", number, text) }},
		{name: "another codec of the keys", want: state.ErrIncompatible, says: "int64/1", options: allowUnclaimed,
			declare: func(t *testing.T, b snapshot.Backend) { timersOn(t, keyedOn(t, b, number)) }},
		{name: "no handle", want: snapshot.ErrCoverage, says: "63",
			handles: func(snapshot.Handle) []snapshot.Handle { return nil }},
		{name: "one handle twice", want: snapshot.ErrCoverage,
			handles: func(h snapshot.Handle) []snapshot.Handle { return []snapshot.Handle{h, h} }},
		{name: "a missing file", want: fs.ErrNotExist, says: "gone",
			handles: func(h snapshot.Handle) []snapshot.Handle { return []snapshot.Handle{renamed(h, "gone")} }},
	} {
		t.Run(c.name, func(t *testing.T) { c.requireFails(t, h, snap) })
	}
}

// requireFails checks that the restore fails, and that the backend is unchanged and usable.
func (c failedRestore) requireFails(t *testing.T, h harness, snap saved) {
	b := h.backend(t, c.backendOptions())
	if c.declare != nil {
		c.declare(t, b)
	} else {
		programOn(t, b)
	}
	handles := []snapshot.Handle{snap.handle}
	if c.handles != nil {
		handles = c.handles(snap.handle)
	}
	states := b.Registry().States()
	done, err := snapshot.Restore(context.Background(), b, snap.store, handles, c.options)
	require.ErrorIs(t, err, c.want)
	require.ErrorContains(t, err, c.says)
	require.Zero(t, done)
	require.True(t, b.Empty())
	require.False(t, b.Registry().Closed())
	require.Equal(t, states, b.Registry().States())
	requireUsable(t, b)
}

func (c failedRestore) backendOptions() state.Options {
	if c.keyspace == (state.Keyspace{}) {
		return savedOptions
	}
	return state.Options{Keyspace: c.keyspace}
}

func restoreIntoState(t *testing.T, h harness) {
	snap := h.saved(t)
	p := h.program(t, savedOptions)
	p.at("k")
	p.fill("x")
	before := p.dump()
	_, err := restoring(p.backend, snap.store, snap.handle)
	require.ErrorIs(t, err, state.ErrNotEmpty)
	require.Equal(t, before, p.dump())
}

func restoreAfterError(t *testing.T, h harness) {
	snap := h.saved(t)
	p := h.program(t, savedOptions)
	_, err := restoring(p.backend, snap.store)
	require.ErrorIs(t, err, snapshot.ErrCoverage)
	restore(t, p.backend, snap.store, snap.handle)
	require.Equal(t, snap.want, p.dump())
}

func restoreUnclaimed(t *testing.T, h harness) {
	snap := h.saved(t)
	b := h.backend(t, savedOptions)
	k := keyedOn(t, b, text)
	list, timers := listOn(t, k, "list", text), timersOn(t, k)
	listOn(t, k, "new", text)
	done, err := snapshot.Restore(context.Background(), b, snap.store, []snapshot.Handle{snap.handle}, allowUnclaimed)
	require.NoError(t, err)
	require.Equal(t, snap.handle.Rows, done.Rows+done.Unclaimed)
	require.NotZero(t, done.Unclaimed)
	for at, err := range k.KeysAndNamespaces("list") {
		require.NoError(t, err)
		require.NoError(t, k.SetKey(at.Key))
		require.NoError(t, list.SetNamespace(at.Namespace))
		name := fmt.Sprintf("list of %q in %q", at.Key, at.Namespace)
		require.Equal(t, snap.want[name], fmt.Sprintf("%q", collect(t, list.All())))
	}
	n, err := timers.Len(state.EventTime)
	require.NoError(t, err)
	require.Len(t, namesOf(snap.want, "timer"), n)
	require.Empty(t, collect(t, k.Keys("new", nil)))
	require.Len(t, collect(t, k.KeysAndNamespaces("list")), len(namesOf(snap.want, "list")))
}

// namesOf returns the names in a dump that begin with a kind.
func namesOf(dump map[string]string, kind string) (names []string) {
	for name := range dump {
		if strings.HasPrefix(name, kind+" ") {
			names = append(names, name)
		}
	}
	return names
}

// renamed returns a handle that refers to another file.
func renamed(h snapshot.Handle, name string) snapshot.Handle {
	file := h.Files[0]
	file.Name = name
	h.Files = []snapshot.FileRef{file}
	return h
}

// requireUsable declares another state with the key codec of the backend and uses it.
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

// storedLater is the header of a stored value of a later version. Such a value is ErrIncompatible, not
// ErrCorrupt.
const storedLater = 0xFE

// corruptRows loads malformed rows. A backend that stores bytes may accept one and return the error
// when the row is read.
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

// readAll reads all states and timers and returns the first error.
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
			_, _, joinedErr := p.aggregated.Get()
			for _, err := range []error{valueErr, reducedErr, joinedErr, lastError(p.list.All()), lastError(p.entries.All())} {
				if err != nil {
					return err
				}
			}
		}
	}
	return p.fire(state.EventTime, 1<<62, func(state.Timer[string]) error { return nil })
}
