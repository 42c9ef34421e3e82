package statetest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

// canary marks what a user would not want to read in a log: it stands in every
// key, namespace, value and user key of the test.
const canary = "CANARY"

func errorTexts(t *testing.T, h harness) {
	large := strings.Repeat(canary, 30)
	options := state.Options{
		Keyspace: state.SubtaskKeyspace(0, 2, 64),
		Limits:   state.Limits{MaxKeySize: 100, MaxValueSize: 50},
	}
	key := ""
	for i := 0; key == ""; i++ {
		if try := canary + strings.Repeat("x", i); options.Keyspace.Groups.Contains(groupOf(try, 64)) {
			key = try
		}
	}
	p := h.program(t, options)
	p.at(key)
	p.in(canary)
	p.fillCanaries()
	t.Run("sizes", func(t *testing.T) {
		requireText(t, "value", p.value.Set(large))
		requireText(t, "list", p.list.Add(large))
		requireText(t, "list", p.list.AddAll([]string{canary, large}))
		requireText(t, "list", p.list.Set([]string{canary, large}))
		requireText(t, "map", p.entries.Put(canary, large))
		requireText(t, "map", p.entries.Put(large, canary))
		requireText(t, "map", p.entries.PutAll(map[string]string{large: canary}))
		requireText(t, "timers", p.timers.Register(state.EventTime, 1, []byte(large)))
		requireText(t, "list", p.list.MergeNamespaces([]byte(large), sources(canary)))
		requireText(t, "reducing", p.reduced.MergeNamespaces([]byte(large), sources(canary)))
		requireText(t, "aggregating", p.joined.MergeNamespaces([]byte(large), sources(canary)))
	})
	t.Run("functions", func(t *testing.T) {
		requireText(t, "reducing", p.reduced.Add(refusedText))
		requireText(t, "aggregating", p.joined.Add(refusedNumber))
	})
	t.Run("codecs", func(t *testing.T) {
		q := h.program(t, options)
		plain := codec.Func(canaryFree, 1,
			func(dst []byte, s string) ([]byte, error) { return append(dst, s...), nil },
			func([]byte) (string, error) { return "", errRefused })
		entries := mapOn(t, q.keyed, "undecodable", text, plain)
		q.at(key)
		require.NoError(t, entries.Put(canary, canary))
		s := newStore()
		handle := save(t, q.backend, s, "state")
		r := h.program(t, options)
		entries = mapOn(t, r.keyed, "undecodable", text, plain)
		_, err := restoring(r.backend, s, handle)
		if err == nil { // a backend that keeps bytes decodes when it reads
			r.at(key)
			err = lastError(entries.All())
		}
		require.ErrorIs(t, err, state.ErrCorrupt)
		requireText(t, "undecodable", err)
	})
	t.Run("keys", func(t *testing.T) {
		requireQuiet(t, p.keyed.SetKey(large))
		for i := range 40 {
			if err := p.keyed.SetKey(canary + strings.Repeat("y", i)); err != nil {
				require.ErrorIs(t, err, state.ErrKeyGroup)
				requireQuiet(t, err)
			}
		}
		requireQuiet(t, p.keyed.SetKeyAndGroup(canary, 63))
		for _, op := range keyOperations {
			requireQuiet(t, op.do(p))
			requireText(t, strings.ToLower(strings.Split(op.name, ".")[0]), op.do(p))
		}
	})
	t.Run("after Close", func(t *testing.T) {
		require.NoError(t, p.backend.Close())
		for _, op := range keyOperations {
			requireText(t, strings.ToLower(strings.Split(op.name, ".")[0]), op.do(p))
		}
		requireText(t, "value", lastError(p.keyed.Keys("value", []byte(canary))))
	})
}

const canaryFree = "undecodable text"

func (p *program) fillCanaries() {
	require.NoError(p.t, p.value.Set(canary))
	require.NoError(p.t, p.list.Add(canary))
	require.NoError(p.t, p.entries.Put(canary, canary))
	require.NoError(p.t, p.reduced.Add(canary))
	require.NoError(p.t, p.joined.Add(1))
}

// requireText checks that an error names a state and no data.
func requireText(t *testing.T, name string, err error) {
	t.Helper()
	requireQuiet(t, err)
	require.ErrorContains(t, err, `"`+name+`"`)
}

// requireQuiet checks that an error does not quote the data.
func requireQuiet(t *testing.T, err error) {
	t.Helper()
	require.Error(t, err)
	require.NotContains(t, err.Error(), canary)
}
