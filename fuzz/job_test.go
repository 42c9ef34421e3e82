package fuzz

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/heapstate"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

// job is a backend with a state of every kind. Keys are strings. The codecs of the values have
// no fixed size, because those have more cases than others.
type job struct {
	backend *heapstate.Backend
	keyed   *state.Keyed[string]
	value   state.ValueState[string]
	list    state.ListState[string]
	mapping state.MapState[string, int32]
	sum     state.ReducingState[int64]
	joined  state.AggregatingState[string, string]
	timers  *state.Timers[string]
}

// newJob opens a backend and declares the states of a job on it.
func newJob(t testing.TB, open func(state.Options) (*heapstate.Backend, error)) *job {
	b, err := open(state.Options{Keyspace: eightGroups})
	require.NoError(t, err)
	k, err := state.NewKeyed(b, codec.String[string]())
	require.NoError(t, err)
	j := &job{backend: b, keyed: k}
	text, number := codec.String[string](), codec.Int[int64]()
	j.value, err = state.ValueOf(k, state.ValueDescriptor[string]{Name: "value", Codec: text})
	require.NoError(t, err)
	j.list, err = state.ListOf(k, state.ListDescriptor[string]{Name: "list", Codec: text})
	require.NoError(t, err)
	j.mapping, err = state.MapOf(k, state.MapDescriptor[string, int32]{Name: "mapping", Key: text, Value: codec.Int[int32]()})
	require.NoError(t, err)
	j.sum, err = state.ReducingOf(k, state.ReducingDescriptor[int64]{
		Name: "sum", Codec: number, Reduce: func(a, b int64) (int64, error) { return a + b, nil }})
	require.NoError(t, err)
	j.joined, err = state.AggregatingOf(k, state.AggregatingDescriptor[string, string, string]{
		Name: "joined", Codec: text,
		Create: func() string { return "" },
		Add:    func(s, v string) (string, error) { return s + v, nil },
		Merge:  func(s, v string) (string, error) { return s + v, nil },
		Result: func(s string) (string, error) { return "=" + s, nil }})
	require.NoError(t, err)
	j.timers, err = state.TimersOf(k, "timers")
	require.NoError(t, err)
	return j
}

// setNamespace sets the namespace of all states of the job.
func (j *job) setNamespace(t testing.TB, namespace string) {
	for _, s := range []interface{ SetNamespace([]byte) error }{j.value, j.list, j.mapping, j.sum, j.joined} {
		require.NoError(t, s.SetNamespace([]byte(namespace)))
	}
}
