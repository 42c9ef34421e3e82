package statetest

import (
	"context"
	"iter"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
)

// Opener opens a new, empty backend, or returns the error with which the backend refuses the
// options. A backend with files should put them in t.TempDir. The kit closes the backend.
type Opener func(t testing.TB, o state.Options) (snapshot.Backend, error)

// harness opens backends and programs for the tests of the kit.
type harness struct{ opener Opener }

// backend opens a backend. The end of the test closes it.
func (h harness) backend(t testing.TB, o state.Options) snapshot.Backend {
	b, err := h.opener(t, o)
	require.NoError(t, err)
	require.NotNil(t, b)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

// keyedOn is state.NewKeyed that must not fail.
func keyedOn[K any](t testing.TB, b backend.Backend, c codec.Codec[K]) *state.Keyed[K] {
	k, err := state.NewKeyed(b, c)
	require.NoError(t, err)
	return k
}

// valueOn is state.ValueOf that must not fail.
func valueOn[K, V any](t testing.TB, k *state.Keyed[K], name string, c codec.Codec[V]) state.ValueState[V] {
	s, err := state.ValueOf(k, state.ValueDescriptor[V]{Name: name, Codec: c})
	require.NoError(t, err)
	return s
}

// listOn is state.ListOf that must not fail.
func listOn[K, E any](t testing.TB, k *state.Keyed[K], name string, c codec.Codec[E]) state.ListState[E] {
	s, err := state.ListOf(k, state.ListDescriptor[E]{Name: name, Codec: c})
	require.NoError(t, err)
	return s
}

// mapOn is state.MapOf that must not fail.
func mapOn[K any, UK comparable, UV any](t testing.TB, k *state.Keyed[K], name string, key codec.Codec[UK], value codec.Codec[UV]) state.MapState[UK, UV] {
	s, err := state.MapOf(k, state.MapDescriptor[UK, UV]{Name: name, Key: key, Value: value})
	require.NoError(t, err)
	return s
}

// timersOn declares the timer service "timers".
func timersOn[K any](t testing.TB, k *state.Keyed[K]) *state.Timers[K] {
	s, err := state.TimersOf(k, "timers")
	require.NoError(t, err)
	return s
}

// collect returns the elements of an iteration that must not fail.
func collect[T any](t testing.TB, all iter.Seq2[T, error]) (got []T) {
	t.Helper()
	for v, err := range all {
		if err != nil { // called often: require is slow
			require.NoError(t, err)
		}
		got = append(got, v)
	}
	return got
}

// lastError returns the error at the end of an iteration.
func lastError[T any](all iter.Seq2[T, error]) (last error) {
	for _, err := range all {
		last = err
	}
	return last
}

// getter is the part that value, reducing and aggregating states have in common.
type getter[V any] interface{ Get() (V, bool, error) }

func requireValue[V any](t testing.TB, want V, s getter[V]) {
	t.Helper()
	got, ok, err := s.Get()
	require.NoError(t, err)
	require.True(t, ok, "nothing is stored, want %v", want)
	require.Equal(t, want, got)
}

func requireNothing[V any](t testing.TB, s getter[V]) {
	t.Helper()
	got, ok, err := s.Get()
	require.NoError(t, err)
	require.False(t, ok, "stored: %v", got)
}

// requireList checks the elements of a list by all ways to read it.
func requireList[E any](t testing.TB, want []E, s state.ListState[E]) {
	t.Helper()
	got, err := s.Get()
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.Equal(t, want, collect(t, s.All()))
}

// requireMap checks the entries of a map by all ways to read it.
func requireMap[UK comparable, UV any](t testing.TB, want []state.Entry[UK, UV], s state.MapState[UK, UV]) {
	t.Helper()
	require.Equal(t, want, collect(t, s.All()))
	var keys []UK
	var values []UV
	for _, e := range want {
		keys, values = append(keys, e.Key), append(values, e.Value)
	}
	require.Equal(t, keys, collect(t, s.Keys()))
	require.Equal(t, values, collect(t, s.Values()))
	n, err := s.Len()
	require.NoError(t, err)
	require.Equal(t, len(want), n)
	empty, err := s.IsEmpty()
	require.NoError(t, err)
	require.Equal(t, len(want) == 0, empty)
}

// at opens a program with the default options and sets its current key.
func (h harness) at(t *testing.T, key string) *program {
	t.Helper()
	p := h.program(t, state.Options{})
	p.at(key)
	return p
}

// restored opens a program and restores it from handles.
func (h harness) restored(t *testing.T, o state.Options, source snapshot.Source, handles ...snapshot.Handle) *program {
	t.Helper()
	p := h.program(t, o)
	restore(t, p.backend, source, handles...)
	return p
}

// start starts a snapshot. The caller waits for it.
func start(t testing.TB, b snapshot.Backend, target snapshot.Target, name string) *snapshot.Running {
	t.Helper()
	r, err := snapshot.Start(context.Background(), b, target, snapshot.Options{Name: name})
	require.NoError(t, err)
	return r
}

// save takes a snapshot and waits for it.
func save(t testing.TB, b snapshot.Backend, target snapshot.Target, name string) snapshot.Handle {
	t.Helper()
	h, err := start(t, b, target, name).Wait()
	require.NoError(t, err)
	return h
}

// restore restores a backend, whose states are declared, from handles.
func restore(t testing.TB, b snapshot.Backend, source snapshot.Source, handles ...snapshot.Handle) {
	t.Helper()
	_, err := restoring(b, source, handles...)
	require.NoError(t, err)
}

// restoring is restore that may fail.
func restoring(b snapshot.Backend, source snapshot.Source, handles ...snapshot.Handle) (snapshot.Restored, error) {
	return snapshot.Restore(context.Background(), b, source, handles, snapshot.RestoreOptions{})
}

// viewRows returns the rows of a view of a backend, in order.
func viewRows(t testing.TB, b snapshot.Backend) (all []row) {
	t.Helper()
	v, err := b.View()
	require.NoError(t, err)
	defer v.Close()
	groups := v.Keyspace().Groups
	for group := int(groups.First); group <= int(groups.Last); group++ {
		require.NoError(t, v.Rows(uint16(group), func(key, value []byte) error {
			all = append(all, row{append([]byte(nil), key...), append([]byte(nil), value...)})
			return nil
		}))
	}
	return all
}
