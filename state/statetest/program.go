package statetest

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
)

// program is a backend with string keys and a state of each kind.
type program struct {
	t          testing.TB
	backend    snapshot.Backend
	keyed      *state.Keyed[string]
	value      state.ValueState[string]
	list       state.ListState[string]
	entries    state.MapState[string, string]
	reduced    state.ReducingState[string]
	aggregated state.AggregatingState[int64, string]
	timers     *state.Timers[string]
}

// program opens a backend and declares the states of a program.
func (h harness) program(t testing.TB, o state.Options) *program {
	return programOn(t, h.backend(t, o))
}

// programOn declares the states of a program on a backend. A second call returns further handles.
func programOn(t testing.TB, b snapshot.Backend) *program {
	k := keyedOn(t, b, text)
	p := &program{t: t, backend: b, keyed: k}
	p.value = valueOn(t, k, "value", text)
	p.list = listOn(t, k, "list", text)
	p.entries = mapOn(t, k, "map", text, text)
	p.timers = timersOn(t, k)
	var err error
	p.reduced, err = state.ReducingOf(k, reducing)
	require.NoError(t, err)
	p.aggregated, err = state.AggregatingOf(k, aggregating)
	require.NoError(t, err)
	return p
}

// text is the codec of strings, which most states of the kit use.
var text = codec.String[string]()

// restoredFrom opens a program with the options of another one and restores it from a snapshot of
// that one.
func (h harness) restoredFrom(t testing.TB, p *program) *program {
	t.Helper()
	s := newStore()
	handle := save(t, p.backend, s, "state")
	registry := p.backend.Registry()
	q := h.program(t, state.Options{Keyspace: registry.Keyspace(), Limits: registry.Limits()})
	restore(t, q.backend, s, handle)
	return q
}

// at sets the current key.
func (p *program) at(key string) { require.NoError(p.t, p.keyed.SetKey(key)) }

// in sets the namespace of all handles.
func (p *program) in(namespace string) {
	for _, handle := range []interface{ SetNamespace([]byte) error }{p.value, p.list, p.entries, p.reduced, p.aggregated} {
		if err := handle.SetNamespace([]byte(namespace)); err != nil { // called often: require is slow
			require.NoError(p.t, err)
		}
	}
}

// fill writes contents that depend on s to each state under the current key.
func (p *program) fill(s string) {
	require.NoError(p.t, p.value.Set("v"+s))
	require.NoError(p.t, p.list.AddAll([]string{"a" + s, "b" + s}))
	require.NoError(p.t, p.entries.PutAll(map[string]string{"k" + s: s, "l" + s: s}))
	require.NoError(p.t, p.reduced.Add("r"+s))
	require.NoError(p.t, p.aggregated.Add(int64(len(s))))
	require.NoError(p.t, p.timers.Register(state.EventTime, int64(len(s)), []byte(s)))
}

// requireFilled checks that the current key has the contents of one fill. It does not check timers.
func (p *program) requireFilled(s string) {
	p.t.Helper()
	requireValue(p.t, "v"+s, p.value)
	requireList(p.t, []string{"a" + s, "b" + s}, p.list)
	requireMap(p.t, []state.Entry[string, string]{{Key: "k" + s, Value: s}, {Key: "l" + s, Value: s}}, p.entries)
	requireValue(p.t, "r"+s, p.reduced)
	requireValue(p.t, "<,"+string(rune('0'+len(s)))+">", p.aggregated)
}

// requireBare checks that all states of the current key are empty.
func (p *program) requireBare() {
	p.t.Helper()
	requireNothing(p.t, p.value)
	requireList(p.t, nil, p.list)
	requireMap(p.t, nil, p.entries)
	requireNothing(p.t, p.reduced)
	requireNothing(p.t, p.aggregated)
}

// clear clears every state under the current key.
func (p *program) clear() {
	for _, s := range []interface{ Clear() error }{p.value, p.list, p.entries, p.reduced, p.aggregated} {
		require.NoError(p.t, s.Clear())
	}
}

// dump returns the contents of all states of a backend, as texts. It uses handles of its own.
func (p *program) dump() map[string]string {
	p.t.Helper()
	q := programOn(p.t, p.backend)
	all := make(map[string]string)
	for _, name := range keyedStates {
		for at, err := range q.keyed.KeysAndNamespaces(name) {
			require.NoError(p.t, err)
			q.at(at.Key)
			q.in(string(at.Namespace))
			all[fmt.Sprintf("%s of %q in %q", name, at.Key, at.Namespace)] = q.read(name)
		}
	}
	require.NoError(p.t, p.backend.Scan(backend.IDOf("timers"), func(key, _ []byte) error {
		all[fmt.Sprintf("timer %q", key)] = ""
		return nil
	}))
	return all
}

// read returns the contents of a state under the current key, as a text.
func (p *program) read(name string) string {
	p.t.Helper()
	var all []any
	var err error
	switch name {
	case "value":
		all, err = reading(p.value.Get())
	case "list":
		return fmt.Sprintf("%q", collect(p.t, p.list.All()))
	case "map":
		return fmt.Sprintf("%q", collect(p.t, p.entries.All()))
	case "reducing":
		all, err = reading(p.reduced.Get())
	case "aggregating":
		all, err = reading(p.aggregated.Get())
	}
	require.NoError(p.t, err)
	return fmt.Sprintf("%q", all)
}

func reading(v string, ok bool, err error) ([]any, error) { return []any{v, ok}, err }
