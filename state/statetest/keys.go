package statetest

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/state"
)

// keyedStates are the states of a program whose keys can be listed.
var keyedStates = []string{"value", "list", "map", "reducing", "aggregating"}

// listingKeys lists the properties of Keys and KeysAndNamespaces.
var listingKeys = properties{
	{"every key once, by key group and encoding", keysListedOnce},
	{"a key's namespaces follow each other by their bytes, the void one is nil", namespacesListedInOrder},
	{"a key that was cleared is not listed", emptyKeysNotListed},
	{"writes during the iteration do not change it", keysListedWhileWriting},
	{"listings may be nested, and left early", listingsNestedAndLeftEarly},
	{"unknown states and timers are errors", listingUnknownStates},
}

func keysListedOnce(t *testing.T, h harness) {
	p := h.program(t, state.Options{Keyspace: state.WholeKeyspace(7)})
	var keys []string
	for i := range 100 {
		key := fmt.Sprint(i * 31 % 100)
		keys = append(keys, key)
		p.at(key)
		p.fill("x")
		p.fill("yy")
		p.putNumbered(i)
		p.in("n")
		p.fill("z")
		p.in("")
	}
	want := sortedKeys(keys, 7)
	for _, name := range keyedStates {
		require.Equal(t, want, collect(t, p.keyed.Keys(name, nil)), name)
		require.Equal(t, want, collect(t, p.keyed.Keys(name, []byte("n"))), name)
		require.Empty(t, collect(t, p.keyed.Keys(name, []byte("x"))), name)
	}
}

func namespacesListedInOrder(t *testing.T, h harness) {
	p := h.program(t, state.Options{Keyspace: state.WholeKeyspace(1)})
	var want []state.KeyAndNamespace[string]
	for _, key := range []string{"", "a", "a\x00", "ab"} {
		for _, namespace := range []string{"", "\x00", "\x00\x01", "a", "a\xff", "b"} {
			want = append(want, state.KeyAndNamespace[string]{Key: key, Namespace: []byte(namespace)})
			if namespace == "" {
				want[len(want)-1].Namespace = nil
			}
		}
	}
	for i := range want {
		at := want[(i*7+3)%len(want)]
		p.at(at.Key)
		p.in(string(at.Namespace))
		p.fill("x")
		p.fill("y")
	}
	for _, name := range keyedStates {
		require.Equal(t, want, collect(t, p.keyed.KeysAndNamespaces(name)), name)
	}
}

func emptyKeysNotListed(t *testing.T, h harness) {
	p := h.program(t, state.Options{})
	for _, key := range []string{"a", "b"} {
		p.at(key)
		p.fill("x")
	}
	p.clear()
	for _, name := range keyedStates {
		require.Equal(t, []string{"a"}, collect(t, p.keyed.Keys(name, nil)), name)
	}
}

func keysListedWhileWriting(t *testing.T, h harness) {
	for _, name := range keyedStates {
		p := h.program(t, state.Options{})
		var keys []string
		for i := range 50 {
			keys = append(keys, fmt.Sprint(i))
			p.at(keys[i])
			p.fill("x")
		}
		want := sortedKeys(keys, p.backend.Registry().Keyspace().MaxParallelism)
		var got []string
		for key, err := range p.keyed.Keys(name, nil) {
			require.NoError(t, err)
			got = append(got, key)
			require.LessOrEqual(t, len(got), len(want))
			p.at(want[len(want)-1-len(got)%len(want)])
			p.clear()
			p.at("new " + key)
			p.in("n")
			p.fill("y")
			p.in("")
			p.fill("z")
		}
		require.Equal(t, want, got, name)
	}
}

func listingsNestedAndLeftEarly(t *testing.T, h harness) {
	p := h.program(t, state.Options{})
	for i := range 10 {
		p.at(fmt.Sprint(i))
		p.fill("x")
	}
	all := p.keyed.Keys("map", nil)
	want := collect(t, all)
	var outer []string
	for key, err := range all {
		require.NoError(t, err)
		require.Equal(t, want, collect(t, all))
		if outer = append(outer, key); len(outer) == 5 {
			break
		}
	}
	require.Equal(t, want[:5], outer)
	require.Equal(t, want, collect(t, all))
}

func listingUnknownStates(t *testing.T, h harness) {
	p := h.program(t, state.Options{})
	for name, want := range map[string]error{"unknown": state.ErrUnknownState, "timers": state.ErrUnsupported} {
		require.ErrorIs(t, onlyError(t, p.keyed.Keys(name, nil)), want)
		require.ErrorIs(t, onlyError(t, p.keyed.KeysAndNamespaces(name)), want)
		require.ErrorContains(t, onlyError(t, p.keyed.Keys(name, nil)), name)
	}
}

// sortedKeys returns keys in the order in which Keys yields them.
func sortedKeys(keys []string, maxParallelism int) []string {
	return slices.SortedFunc(slices.Values(keys), func(a, b string) int {
		return cmp.Or(cmp.Compare(groupOf(a, maxParallelism), groupOf(b, maxParallelism)), strings.Compare(a, b))
	})
}

// onlyError returns the error of an iteration that must yield nothing else.
func onlyError[T any](t *testing.T, all iter.Seq2[T, error]) (only error) {
	t.Helper()
	for _, err := range all {
		require.NoError(t, only)
		require.Error(t, err)
		only = err
	}
	return only
}
