package statetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/state"
)

// listOperations lists the properties of list states.
var listOperations = properties{
	{"order is kept", listKeepsOrder},
	{"Set replaces, Set of an empty list and Clear remove", listSetReplaces},
	{"AddAll of nothing does nothing", listAddAllOfNothing},
	{"slices that were passed in or returned are not written to", listSharesNoMemory},
	{"All yields the list of its first step", listAllWhileWriting},
	{"a loop over All may end early and be repeated", listAllLeftEarly},
	{"a snapshot has long lists and large elements", longListsInSnapshot},
}

func listKeepsOrder(t *testing.T, h harness) {
	p := h.at(t, "k")
	requireList(t, nil, p.list)
	require.NoError(t, p.list.Add("c"))
	require.NoError(t, p.list.AddAll([]string{"a", "b"}))
	require.NoError(t, p.list.Add("c"))
	require.NoError(t, p.list.Add(""))
	requireList(t, []string{"c", "a", "b", "c", ""}, p.list)
}

func listSetReplaces(t *testing.T, h harness) {
	p := h.at(t, "k")
	for _, empty := range []func() error{
		p.list.Clear,
		func() error { return p.list.Set(nil) },
		func() error { return p.list.Set([]string{}) },
	} {
		require.NoError(t, empty(), "removing nothing")
		require.NoError(t, p.list.AddAll([]string{"a", "b", "c"}))
		require.NoError(t, p.list.Set([]string{"d"}))
		requireList(t, []string{"d"}, p.list)
		require.NoError(t, p.list.Add("e"))
		requireList(t, []string{"d", "e"}, p.list)
		require.NoError(t, empty())
		requireList(t, nil, p.list)
		require.Empty(t, collect(t, p.keyed.Keys("list", nil)))
		require.True(t, p.backend.Empty())
	}
}

func listAddAllOfNothing(t *testing.T, h harness) {
	p := h.at(t, "k")
	require.NoError(t, p.list.AddAll(nil))
	require.NoError(t, p.list.AddAll([]string{}))
	require.True(t, p.backend.Empty())
	require.NoError(t, p.list.Add("a"))
	require.NoError(t, p.list.AddAll(nil))
	requireList(t, []string{"a"}, p.list)
}

func listSharesNoMemory(t *testing.T, h harness) {
	p := h.at(t, "k")
	mine := make([]string, 2, 8)
	require.NoError(t, p.list.Set(mine))
	require.NoError(t, p.list.Add("added"))
	require.Empty(t, mine[:3][2], "Add wrote into the array that Set was given")
	got, err := p.list.Get()
	require.NoError(t, err)
	require.Equal(t, len(got), cap(got))
	require.NoError(t, p.list.Add("later"))
	_ = append(got, "mine")
	requireList(t, []string{"", "", "added", "later"}, p.list)
	require.NoError(t, p.list.Set([]string{"x"}))
	require.Equal(t, []string{"", "", "added"}, got)
}

func listAllLeftEarly(t *testing.T, h harness) {
	p := h.at(t, "k")
	require.NoError(t, p.list.AddAll([]string{"a", "b", "c"}))
	all := p.list.All()
	for e, err := range all {
		require.NoError(t, err)
		require.Equal(t, "a", e)
		break
	}
	require.Equal(t, []string{"a", "b", "c"}, collect(t, all))
}

func longListsInSnapshot(t *testing.T, h harness) {
	p := h.program(t, state.Options{})
	// Heap backends divide lists into chunks of 1 MiB; snapshots write rows above 2 MiB in
	// another form.
	sizes := []int{1, 400 << 10, 400 << 10, 400 << 10, 0, 1500 << 10, 1, 2500 << 10, 3}
	var want []string
	for i, size := range sizes {
		want = append(want, strings.Repeat(string(rune('a'+i)), size))
	}
	p.at("large")
	require.NoError(t, p.list.AddAll(want))
	p.at("long")
	var long []string
	for i := range 3000 {
		long = append(long, fmt.Sprint(i))
		require.NoError(t, p.list.Add(long[i]))
	}
	for q := range chain(p, h.restoredFrom(t, p)) {
		q.at("large")
		got, err := q.list.Get()
		require.NoError(t, err)
		require.True(t, slices.Equal(want, got))
		require.NoError(t, q.list.Add("behind"))
		got, err = q.list.Get()
		require.NoError(t, err)
		require.True(t, slices.Equal(append(slices.Clip(want), "behind"), got))
		q.at("long")
		requireList(t, long, q.list)
	}
}

// chain returns an iteration over its arguments.
func chain[T any](all ...T) func(yield func(T) bool) { return slices.Values(all) }

// listAllWhileWriting writes to the list inside a loop over All.
func listAllWhileWriting(t *testing.T, h harness) {
	writes := map[string]func(*program) error{
		"Add":   func(p *program) error { return p.list.Add("new") },
		"Set":   func(p *program) error { return p.list.Set([]string{"new"}) },
		"Clear": func(p *program) error { return p.list.Clear() },
		"Clear and Add": func(p *program) error {
			return errors.Join(p.list.Clear(), p.list.AddAll([]string{"x", "y", "z", "new", "new"}))
		},
		"SetKey": func(p *program) error { return errors.Join(p.keyed.SetKey("other"), p.list.Add("new")) },
	}
	for name, write := range writes {
		t.Run("while the loop does "+name, func(t *testing.T) {
			p := h.at(t, "k")
			want := []string{"a", "b", "c", "d"}
			for _, e := range want { // one row per element, if rows are small
				require.NoError(t, p.list.Add(e))
			}
			var got []string
			for e, err := range p.list.All() {
				require.NoError(t, err)
				got = append(got, e)
				require.LessOrEqual(t, len(got), len(want))
				require.NoError(t, write(p))
			}
			require.Equal(t, want, got)
		})
	}
}

func listPastLimit(t *testing.T, h harness) {
	const limit = 32
	p := h.program(t, state.Options{Limits: state.Limits{MaxValueSize: limit}})
	full := strings.Repeat("e", limit)
	var want []string
	p.at("k")
	for range 50 {
		require.NoError(t, p.list.Add(full))
		want = append(want, full)
	}
	require.NoError(t, p.list.AddAll(want))
	want = append(want, want...)
	if !t.Run("appends and both ways to read continue", func(t *testing.T) {
		requireList(t, want, p.list)
	}) {
		return // a merge of this list may never end
	}
	t.Run("a single element above the limit is ErrValueTooLarge and changes nothing", func(t *testing.T) {
		for _, add := range []func(string) error{
			p.list.Add,
			func(e string) error { return p.list.AddAll([]string{"x", e}) },
			func(e string) error { return p.list.Set([]string{"x", e}) },
		} {
			requireSizeError(t, add(full+"e"), state.ErrValueTooLarge, limit+1, limit)
		}
		requireList(t, want, p.list)
	})
	t.Run("a snapshot and a merge keep it", func(t *testing.T) {
		q := h.restoredFrom(t, p)
		q.at("k")
		requireList(t, want, q.list)
		require.NoError(t, q.list.MergeNamespaces([]byte("n"), sources("")))
		require.NoError(t, q.list.MergeNamespaces([]byte(""), sources("n")))
		require.NoError(t, q.list.Add("e"))
		requireList(t, append(slices.Clip(want), "e"), q.list)
	})
	t.Run("a list of Set may exceed the limit too", func(t *testing.T) {
		q := h.program(t, state.Options{Limits: state.Limits{MaxValueSize: limit}})
		q.at("k")
		require.NoError(t, q.list.Set(want))
		requireList(t, want, q.list)
	})
}

// requireSizeError checks kind, size and limit of a SizeError.
func requireSizeError(t testing.TB, err, of error, size, limit int64) {
	t.Helper()
	require.ErrorIs(t, err, of)
	var e *state.SizeError
	require.ErrorAs(t, err, &e)
	require.Equal(t, size, e.Size, "size")
	require.Equal(t, limit, e.Limit, "limit")
}
