package statetest

import (
	"strings"
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
)

func accessWithoutKey(t *testing.T, h harness) {
	options := state.Options{Keyspace: state.SubtaskKeyspace(0, 2, 128), Limits: state.Limits{MaxValueSize: 8}}
	requireNoKey := func(t *testing.T, p *program) {
		_, ok := p.keyed.Key()
		require.False(t, ok)
		for _, op := range keyOperations {
			require.ErrorIs(t, op.do(p), state.ErrNoKey, op.name)
		}
		require.True(t, p.backend.Empty())
	}
	t.Run("before the first key", func(t *testing.T) {
		requireNoKey(t, h.program(t, options))
	})
	t.Run("after a SetKey that failed", func(t *testing.T) {
		p := h.program(t, options)
		p.at(keyIn(t, options.Keyspace))
		require.Error(t, p.keyed.SetKey(keyIn(t, state.SubtaskKeyspace(1, 2, 128))))
		requireNoKey(t, p)
	})
	t.Run("it comes before errors of the arguments", func(t *testing.T) {
		p := h.program(t, options)
		large := strings.Repeat("x", 9)
		require.ErrorIs(t, p.value.Set(large), state.ErrNoKey)
		require.ErrorIs(t, p.list.Add(large), state.ErrNoKey)
		require.ErrorIs(t, p.list.AddAll([]string{large}), state.ErrNoKey)
		require.ErrorIs(t, p.list.Set([]string{large}), state.ErrNoKey)
		require.ErrorIs(t, p.entries.Put("k", large), state.ErrNoKey)
		require.ErrorIs(t, p.entries.PutAll(map[string]string{"k": large}), state.ErrNoKey)
		require.ErrorIs(t, p.reduced.Add(large), state.ErrNoKey)
	})
	t.Run("operations without a key work", func(t *testing.T) {
		p := h.program(t, options)
		for _, op := range freeOperations {
			require.NoError(t, op.do(p), op.name)
		}
	})
}

// keyIn returns a key whose group is in a keyspace.
func keyIn(t *testing.T, s state.Keyspace) string {
	return keysIn(t, s, 1)[0]
}

// keysIn returns n keys whose groups are in a keyspace.
func keysIn(t *testing.T, s state.Keyspace, n int) (keys []string) {
	require.NoError(t, s.Validate())
	for i := 0; len(keys) < n; i++ {
		key := "key " + strings.Repeat("x", i%7) + string(rune('a'+i%26)) + strings.Repeat("y", i/26)
		if s.Groups.Contains(groupOf(key, s.MaxParallelism)) {
			keys = append(keys, key)
		}
	}
	return keys
}

// groupOf returns the key group of a string.
func groupOf(key string, maxParallelism int) uint16 {
	return state.KeyGroup(xxhash.Sum64String(key), maxParallelism)
}

func keyOutsideGroups(t *testing.T, h harness) {
	keyspace := state.SubtaskKeyspace(1, 3, 30)
	require.Equal(t, state.GroupRange{First: 10, Last: 19}, keyspace.Groups)
	t.Run("a key of another subtask is an error with group and range", func(t *testing.T) {
		p := h.program(t, state.Options{Keyspace: keyspace})
		key := keyIn(t, state.SubtaskKeyspace(2, 3, 30))
		err := p.keyed.SetKey(key)
		require.ErrorIs(t, err, state.ErrKeyGroup)
		require.ErrorContains(t, err, keyspace.Groups.String())
		require.NotContains(t, err.Error(), key)
	})
	t.Run("keys of the range are accepted", func(t *testing.T) {
		p := h.program(t, state.Options{Keyspace: keyspace})
		for _, key := range keysIn(t, keyspace, 40) {
			p.at(key)
			require.NoError(t, p.value.Set(key))
		}
		for _, key := range keysIn(t, keyspace, 40) {
			p.at(key)
			requireValue(t, key, p.value)
		}
	})
	t.Run("SetKeyAndGroup uses the caller's group, if it is in the range", func(t *testing.T) {
		p := h.program(t, state.Options{Keyspace: keyspace})
		for _, group := range []uint16{0, 9, 20, 29, 30, 1<<16 - 1} {
			require.ErrorIs(t, p.keyed.SetKeyAndGroup("k", group), state.ErrKeyGroup, "group %d", group)
		}
		groups := map[string]uint16{"first": 10, "middle": 15, "last": 19}
		for key, group := range groups {
			require.NoError(t, p.keyed.SetKeyAndGroup(key, group))
			require.NoError(t, p.value.Set("of "+key))
			require.NoError(t, p.timers.Register(state.EventTime, 1, nil))
		}
		for key, group := range groups {
			require.NoError(t, p.keyed.SetKeyAndGroup(key, group))
			requireValue(t, "of "+key, p.value)
		}
		require.Equal(t, []string{"first", "middle", "last"}, collect(t, p.keyed.Keys("value", nil)), "by key group")
		requireGroups(t, p.backend, map[uint16]int{10: 2, 15: 2, 19: 2})
	})
	t.Run("timers keep the caller's group", func(t *testing.T) {
		p := h.program(t, state.Options{Keyspace: keyspace})
		require.NoError(t, p.keyed.SetKeyAndGroup("k", 19))
		require.NoError(t, p.timers.Register(state.EventTime, 1, nil))
		require.NoError(t, p.fire(state.EventTime, 1, func(state.Timer[string]) error { return p.value.Set("fired") }))
		requireGroups(t, p.backend, map[uint16]int{19: 1})
	})
}

// requireGroups checks the number of rows in each key group of a view.
func requireGroups(t *testing.T, b snapshot.Backend, want map[uint16]int) {
	t.Helper()
	got := make(map[uint16]int)
	for _, r := range viewRows(t, b) {
		group, _, _, err := backend.SplitHeader(r.key)
		require.NoError(t, err)
		got[group]++
	}
	require.Equal(t, want, got)
}

// Two names with the same ID, found by trying numbers.
const collidingName, collidedName = "state-19104", "state-126841"

// registerTwice lists the properties of repeated and invalid declarations.
var registerTwice = properties{
	{"same kind and codec are the same state", sameStateTwice},
	{"every Keyed has its own key, every handle its own namespace", handlesHaveOwnPlaces},
	{"other Go types under the same codec are ErrStateMismatch", otherTypesRefused},
	{"another kind or codec is ErrStateMismatch with both", otherDeclarationsRefused},
	{"two names with one id are ErrStateCollision with both", collidingNamesRefused},
	{"an invalid declaration is ErrInvalid", invalidDeclarations},
}

func sameStateTwice(t *testing.T, h harness) {
	p := h.program(t, state.Options{})
	q := programOn(t, p.backend)
	p.at("k")
	q.at("k")
	p.fill("x")
	q.requireFilled("x")
	require.Len(t, p.backend.Registry().States(), 6)
}

func handlesHaveOwnPlaces(t *testing.T, h harness) {
	p := h.program(t, state.Options{})
	q := programOn(t, p.backend)
	p.at("k")
	q.at("l")
	p.fill("x")
	q.in("n")
	q.fill("y")
	p.requireFilled("x")
	q.requireFilled("y")
	again := valueOn(t, p.keyed, "value", text)
	require.NoError(t, again.SetNamespace([]byte("n")))
	requireNothing(t, again)
	requireValue(t, "vx", p.value)
}

func otherTypesRefused(t *testing.T, h harness) {
	type other string
	p := h.program(t, state.Options{})
	c := codec.String[other]()
	_, asValue := state.ValueOf(p.keyed, state.ValueDescriptor[other]{Name: "value", Codec: c})
	_, asList := state.ListOf(p.keyed, state.ListDescriptor[other]{Name: "list", Codec: c})
	_, asMap := state.MapOf(p.keyed, state.MapDescriptor[other, other]{Name: "map", Key: c, Value: c})
	require.ErrorIs(t, asValue, state.ErrStateMismatch)
	require.ErrorIs(t, asList, state.ErrStateMismatch)
	require.ErrorIs(t, asMap, state.ErrStateMismatch)
}

func otherDeclarationsRefused(t *testing.T, h harness) {
	p := h.program(t, state.Options{})
	before := p.backend.Registry().States()
	number := codec.Int[int64]()
	_, asCodec := state.ValueOf(p.keyed, state.ValueDescriptor[int64]{Name: "value", Codec: number})
	_, asList := state.ListOf(p.keyed, state.ListDescriptor[string]{Name: "value", Codec: text})
	_, asUserKey := state.MapOf(p.keyed, state.MapDescriptor[int64, string]{Name: "map", Key: number, Value: text})
	_, asReducing := state.ReducingOf(p.keyed, state.ReducingDescriptor[string]{Name: "aggregating", Codec: text, Reduce: reduce})
	_, asTimers := state.TimersOf(p.keyed, "list")
	for declared, err := range map[string]error{
		"value of [string/1] by string/1 | value of [int64/1] by string/1":               asCodec,
		"value of [string/1] by string/1 | list of [string/1] by string/1":               asList,
		"map of [string/1 string/1] by string/1 | map of [int64/1 string/1] by string/1": asUserKey,
		"aggregating of [string/1] by string/1 | reducing of [string/1] by string/1":     asReducing,
		"list of [string/1] by string/1 | timers of [] by string/1":                      asTimers,
	} {
		require.ErrorIs(t, err, state.ErrStateMismatch, declared)
		for _, both := range strings.Split(declared, " | ") {
			require.ErrorContains(t, err, both)
		}
	}
	_, err := state.NewKeyed(p.backend, number)
	require.ErrorIs(t, err, state.ErrStateMismatch, "another codec of the keys")
	require.Equal(t, before, p.backend.Registry().States())
}

func collidingNamesRefused(t *testing.T, h harness) {
	require.Equal(t, backend.IDOf(collidingName), backend.IDOf(collidedName))
	p := h.program(t, state.Options{})
	valueOn(t, p.keyed, collidingName, text)
	_, err := state.ValueOf(p.keyed, state.ValueDescriptor[string]{Name: collidedName, Codec: text})
	require.ErrorIs(t, err, state.ErrStateCollision)
	require.ErrorContains(t, err, collidingName)
	require.ErrorContains(t, err, collidedName)
}

func invalidDeclarations(t *testing.T, h harness) {
	p := h.program(t, state.Options{})
	for _, name := range []string{"", strings.Repeat("n", backend.MaxNameSize+1)} {
		_, err := state.ValueOf(p.keyed, state.ValueDescriptor[string]{Name: name, Codec: text})
		require.ErrorIs(t, err, state.ErrInvalid)
	}
	_, err := state.ListOf(p.keyed, state.ListDescriptor[string]{Name: "l"})
	require.ErrorIs(t, err, state.ErrInvalid, "no codec")
	_, err = state.ReducingOf(p.keyed, state.ReducingDescriptor[string]{Name: "r", Codec: text})
	require.ErrorIs(t, err, state.ErrInvalid, "no function")
	require.Len(t, p.backend.Registry().States(), 6)
}
