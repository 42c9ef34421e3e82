package statetest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

// canary marks data, which must not be in error texts: each key, namespace, value and user key of
// the test contains it.
const canary = "CANARY"

// errorTexts lists the sources of errors whose texts must not contain data.
var errorTexts = properties{
	{"sizes", sizeErrorsQuiet},
	{"functions", functionErrorsQuiet},
	{"codecs", codecErrorsQuiet},
	{"keys", keyErrorsQuiet},
	{"after Close", closedErrorsQuiet},
}

// largeCanary is above the limits of canaryOptions.
var largeCanary = strings.Repeat(canary, 30)

var canaryOptions = state.Options{
	Keyspace: state.SubtaskKeyspace(0, 2, 64),
	Limits:   state.Limits{MaxKeySize: 100, MaxValueSize: 50},
}

// canaries opens a program whose current key, namespace and content contain the canary.
func (h harness) canaries(t *testing.T) *program {
	t.Helper()
	p := h.program(t, canaryOptions)
	p.at(canaryKey())
	p.in(canary)
	p.fillCanaries()
	return p
}

// canaryKey returns a key that contains the canary and whose group canaryOptions own.
func canaryKey() string {
	for i := 0; ; i++ {
		if key := canary + strings.Repeat("x", i); canaryOptions.Keyspace.Groups.Contains(groupOf(key, 64)) {
			return key
		}
	}
}

func sizeErrorsQuiet(t *testing.T, h harness) {
	p := h.canaries(t)
	requireText(t, "value", p.value.Set(largeCanary))
	requireText(t, "list", p.list.Add(largeCanary))
	requireText(t, "list", p.list.AddAll([]string{canary, largeCanary}))
	requireText(t, "list", p.list.Set([]string{canary, largeCanary}))
	requireText(t, "map", p.entries.Put(canary, largeCanary))
	requireText(t, "map", p.entries.Put(largeCanary, canary))
	requireText(t, "map", p.entries.PutAll(map[string]string{largeCanary: canary}))
	requireText(t, "timers", p.timers.Register(state.EventTime, 1, []byte(largeCanary)))
	requireText(t, "list", p.list.MergeNamespaces([]byte(largeCanary), sources(canary)))
	requireText(t, "reducing", p.reduced.MergeNamespaces([]byte(largeCanary), sources(canary)))
	requireText(t, "aggregating", p.aggregated.MergeNamespaces([]byte(largeCanary), sources(canary)))
}

func functionErrorsQuiet(t *testing.T, h harness) {
	p := h.canaries(t)
	requireText(t, "reducing", p.reduced.Add(refusedText))
	requireText(t, "aggregating", p.aggregated.Add(refusedNumber))
}

func codecErrorsQuiet(t *testing.T, h harness) {
	p := h.program(t, canaryOptions)
	plain := codec.Func(canaryFree, 1,
		func(dst []byte, s string) ([]byte, error) { return append(dst, s...), nil },
		func([]byte) (string, error) { return "", errRefused })
	entries := mapOn(t, p.keyed, "undecodable", text, plain)
	p.at(canaryKey())
	require.NoError(t, entries.Put(canary, canary))
	s := newStore()
	handle := save(t, p.backend, s, "state")
	q := h.program(t, canaryOptions)
	entries = mapOn(t, q.keyed, "undecodable", text, plain)
	_, err := restoring(q.backend, s, handle)
	if err == nil { // a backend that stores bytes decodes them when they are read
		q.at(canaryKey())
		err = lastError(entries.All())
	}
	require.ErrorIs(t, err, state.ErrCorrupt)
	requireText(t, "undecodable", err)
}

func keyErrorsQuiet(t *testing.T, h harness) {
	p := h.canaries(t)
	requireQuiet(t, p.keyed.SetKey(largeCanary))
	for i := range 40 {
		if err := p.keyed.SetKey(canary + strings.Repeat("y", i)); err != nil {
			require.ErrorIs(t, err, state.ErrKeyGroup)
			requireQuiet(t, err)
		}
	}
	requireQuiet(t, p.keyed.SetKeyAndGroup(canary, 63))
	p.requireQuietOperations()
}

func closedErrorsQuiet(t *testing.T, h harness) {
	p := h.canaries(t)
	require.NoError(t, p.backend.Close())
	p.requireQuietOperations()
	requireText(t, "value", lastError(p.keyed.Keys("value", []byte(canary))))
}

// requireQuietOperations checks the error of each operation on a key.
func (p *program) requireQuietOperations() {
	p.t.Helper()
	for _, op := range keyOperations {
		requireText(p.t, strings.ToLower(strings.Split(op.name, ".")[0]), op.do(p))
	}
}

const canaryFree = "undecodable text"

func (p *program) fillCanaries() {
	require.NoError(p.t, p.value.Set(canary))
	require.NoError(p.t, p.list.Add(canary))
	require.NoError(p.t, p.entries.Put(canary, canary))
	require.NoError(p.t, p.reduced.Add(canary))
	require.NoError(p.t, p.aggregated.Add(1))
}

// requireText checks that an error contains the name of a state and no data.
func requireText(t testing.TB, name string, err error) {
	t.Helper()
	requireQuiet(t, err)
	require.ErrorContains(t, err, `"`+name+`"`)
}

// requireQuiet checks that an error contains no data.
func requireQuiet(t testing.TB, err error) {
	t.Helper()
	require.Error(t, err)
	require.NotContains(t, err.Error(), canary)
}
