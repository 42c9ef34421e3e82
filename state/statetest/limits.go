package statetest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
)

// keySize returns the size of the composite key of a string and a namespace.
func keySize(key, namespace string) int64 {
	return int64(backend.HeaderSize + codec.EscapedSize([]byte(key)) + codec.EscapedSize([]byte(namespace)))
}

func exactLimits(t *testing.T, h harness) {
	t.Run("2^31 bytes by default, and not more", func(t *testing.T) {
		limits := h.backend(t, state.Options{}).Registry().Limits()
		require.Equal(t, state.Limits{MaxKeySize: 1 << 31, MaxValueSize: 1 << 31}, limits)
		for _, wrong := range []state.Limits{{MaxKeySize: 1<<31 + 1}, {MaxValueSize: 1<<31 + 1}, {MaxKeySize: -1}, {MaxValueSize: -1}} {
			_, err := h.opener(t, state.Options{Limits: wrong})
			require.ErrorIs(t, err, state.ErrInvalid)
		}
	})
	t.Run("values", func(t *testing.T) { valueLimit(t, h) })
	t.Run("values of fixed size", func(t *testing.T) { fixedValueLimit(t, h) })
	t.Run("keys", func(t *testing.T) { keyLimit(t, h) })
	t.Run("namespaces", func(t *testing.T) { namespaceLimit(t, h) })
	t.Run("user keys", func(t *testing.T) { userKeyLimit(t, h) })
	t.Run("if value and key are too large, the error is that of the value", func(t *testing.T) {
		p := h.program(t, state.Options{Limits: state.Limits{MaxKeySize: 64, MaxValueSize: 8}})
		p.at("k")
		large := strings.Repeat("x", 64)
		p.in(large)
		for _, err := range []error{
			p.value.Set(large), p.list.Add(large), p.list.AddAll([]string{large}), p.list.Set([]string{large}),
			p.entries.Put("k", large), p.entries.PutAll(map[string]string{"k": large}), p.reduced.Add(large),
		} {
			requireSizeError(t, err, state.ErrValueTooLarge, 64, 8)
		}
		require.True(t, p.backend.Empty())
	})
}

func valueLimit(t *testing.T, h harness) {
	const limit = 100
	full := strings.Repeat("x", limit)
	for _, c := range []struct {
		name  string
		write func(*program, string) error
		read  string
	}{
		{"Value.Set", func(p *program, s string) error { return p.value.Set(s) }, "value"},
		{"List.Add", func(p *program, s string) error { return p.list.Add(s) }, "list"},
		{"List.AddAll", func(p *program, s string) error { return p.list.AddAll([]string{"a", s}) }, "list"},
		{"List.Set", func(p *program, s string) error { return p.list.Set([]string{"a", s}) }, "list"},
		{"Map.Put", func(p *program, s string) error { return p.entries.Put("k", s) }, "map"},
		{"Map.PutAll", func(p *program, s string) error {
			return p.entries.PutAll(map[string]string{"a": "new", "k": s, "l": "new", "m": "new"})
		}, "map"},
		{"Reducing.Add", func(p *program, s string) error { return p.reduced.Add(s) }, "reducing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := h.program(t, state.Options{Limits: state.Limits{MaxValueSize: limit}})
			p.at("empty")
			requireSizeError(t, c.write(p, full+"x"), state.ErrValueTooLarge, limit+1, limit)
			require.True(t, p.backend.Empty(), "a write that fails leaves nothing")
			p.at("k")
			require.NoError(t, c.write(p, full))
			before := p.dump()
			require.Contains(t, before[c.read+` of "k" in ""`], full)
			p.at("k")
			if c.read != "reducing" { // reduce cuts its result
				requireSizeError(t, c.write(p, full+"x"), state.ErrValueTooLarge, limit+1, limit)
			}
			require.Equal(t, before, p.dump())
		})
	}
}

// fixedValueLimit sets the limit around the fixed size of a codec.
func fixedValueLimit(t *testing.T, h harness) {
	for _, limit := range []int64{7, 8} {
		p := h.program(t, state.Options{Limits: state.Limits{MaxValueSize: limit}})
		number := codec.Int[int64]()
		value, list := valueOn(t, p.keyed, "v", number), listOn(t, p.keyed, "l", number)
		entries := mapOn(t, p.keyed, "m", text, number)
		p.at("k")
		for name, err := range map[string]error{
			"Value.Set":   value.Set(1),
			"List.Add":    list.Add(1),
			"List.AddAll": list.AddAll([]int64{1}),
			"List.Set":    list.Set([]int64{1}),
			"Map.Put":     entries.Put("k", 1),
			"Map.PutAll":  entries.PutAll(map[string]int64{"k": 1}),
		} {
			if limit == 8 {
				require.NoError(t, err, name)
				continue
			}
			require.ErrorIs(t, err, state.ErrValueTooLarge, name)
			requireSizeError(t, err, state.ErrValueTooLarge, 8, limit)
		}
	}
}

func keyLimit(t *testing.T, h harness) {
	const limit = 64
	for _, filler := range []string{"k", "\x00"} { // a byte 00 takes two bytes
		p := h.program(t, state.Options{Limits: state.Limits{MaxKeySize: limit}})
		key := ""
		for keySize(key+filler, "") <= limit {
			key += filler
		}
		for len(filler) == 1 && keySize(key, "") < limit {
			key += "k"
		}
		require.EqualValues(t, limit, keySize(key, ""))
		p.at(key)
		require.NoError(t, p.value.Set("v"))
		requireSizeError(t, p.keyed.SetKey(key+"k"), state.ErrKeyTooLarge, limit+1, limit)
		require.ErrorIs(t, p.value.Set("w"), state.ErrNoKey)
		require.ErrorIs(t, p.keyed.SetKeyAndGroup(key+"k", 0), state.ErrKeyTooLarge)
		p.at(key)
		requireValue(t, "v", p.value)
		require.Equal(t, []string{key}, collect(t, p.keyed.Keys("value", nil)))
	}
	t.Run("of fixed size", func(t *testing.T) {
		size := int64(backend.HeaderSize + 8 + codec.EscapedSize(nil))
		k := keyedOn(t, h.backend(t, state.Options{Limits: state.Limits{MaxKeySize: size}}), codec.Int[int64]())
		require.NoError(t, k.SetKey(1))
		k = keyedOn(t, h.backend(t, state.Options{Limits: state.Limits{MaxKeySize: size - 1}}), codec.Int[int64]())
		requireSizeError(t, k.SetKey(1), state.ErrKeyTooLarge, size, size-1)
	})
}

func namespaceLimit(t *testing.T, h harness) {
	const limit = 64
	fits := strings.Repeat("n", limit-int(keySize("k", "")))
	require.EqualValues(t, limit, keySize("k", fits))
	for _, c := range []struct {
		name  string
		extra int // size of the row's key without key group, state id, key and namespace
		write func(p *program, namespace string) error
	}{
		{"Value.Set", 0, func(p *program, _ string) error { return p.value.Set("v") }},
		{"List.Add", 0, func(p *program, _ string) error { return p.list.Add("v") }},
		{"List.AddAll", 0, func(p *program, _ string) error { return p.list.AddAll([]string{"v"}) }},
		{"List.Set", 0, func(p *program, _ string) error { return p.list.Set([]string{"v"}) }},
		{"Map.Put", 1, func(p *program, _ string) error { return p.entries.Put("u", "v") }},
		{"Map.PutAll", 1, func(p *program, _ string) error { return p.entries.PutAll(map[string]string{"u": "v"}) }},
		{"Reducing.Add", 0, func(p *program, _ string) error { return p.reduced.Add("v") }},
		{"Aggregating.Add", 0, func(p *program, _ string) error { return p.aggregated.Add(1) }},
		{"Timers.Register", 9, func(p *program, namespace string) error {
			return p.timers.Register(state.EventTime, 1, []byte(namespace))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := h.program(t, state.Options{Limits: state.Limits{MaxKeySize: limit}})
			p.at("k")
			namespace := fits[c.extra:]
			p.in(namespace + "n")
			requireSizeError(t, c.write(p, namespace+"n"), state.ErrKeyTooLarge, limit+1, limit)
			p.requireBare()
			p.clear()
			require.NoError(t, p.timers.Delete(state.EventTime, 1, []byte(namespace+"n")))
			require.True(t, p.backend.Empty())
			p.in(namespace)
			require.NoError(t, c.write(p, namespace))
			require.False(t, p.backend.Empty())
		})
	}
	t.Run("a byte 00 takes two", func(t *testing.T) {
		p := h.program(t, state.Options{Limits: state.Limits{MaxKeySize: limit}})
		p.at("k")
		zeros := strings.Repeat("\x00", len(fits)/2)
		p.in(zeros + "\x00")
		requireSizeError(t, p.value.Set("v"), state.ErrKeyTooLarge, keySize("k", zeros+"\x00"), limit)
		p.in(zeros)
		require.NoError(t, p.value.Set("v"))
	})
}

func userKeyLimit(t *testing.T, h harness) {
	const limit = 64
	p := h.program(t, state.Options{Limits: state.Limits{MaxKeySize: limit}})
	p.at("k")
	// The user key is the last part of the composite key and is not escaped.
	fits := strings.Repeat("\x00", limit-int(keySize("k", "")))
	require.NoError(t, p.entries.Put(fits, "v"))
	requireSizeError(t, p.entries.Put(fits+"\x00", "v"), state.ErrKeyTooLarge, limit+1, limit)
	requireSizeError(t, p.entries.PutAll(map[string]string{"a": "v", fits + "\x00": "v", "b": "v"}), state.ErrKeyTooLarge, limit+1, limit)
	requireMap(t, []entry{{Key: fits, Value: "v"}}, p.entries)
	requireEntry(t, p, fits+"\x00", "", false)
	require.NoError(t, p.entries.Remove(fits+"\x00"))
	q := h.restoredFrom(t, p)
	q.at("k")
	requireEntry(t, q, fits, "v", true)
}
