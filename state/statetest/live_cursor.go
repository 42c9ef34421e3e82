package statetest

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/state"
)

// liveCursor writes to maps during loops over them. The numbers of entries are near the sizes at which
// a backend may read the next entries of a map.
func liveCursor(t *testing.T, h harness) {
	for _, n := range []int{3, 62, 63, 64, 65, 66, 200} {
		t.Run(fmt.Sprintf("over %d entries", n), func(t *testing.T) {
			for _, c := range interruptions {
				t.Run(c.name, func(t *testing.T) { c.run(t, h, n) })
			}
			t.Run("clears its namespace and fills others", func(t *testing.T) { clearedNamespaceEndsLoop(t, h, n) })
			t.Run("the loop reads values that it has written ahead", func(t *testing.T) { valuesWrittenAheadAreRead(t, h, n) })
			t.Run("the loop may remove each entry", func(t *testing.T) { loopRemovesAll(t, h, n) })
		})
	}
}

// walk is a loop over n numbered entries that has reached the middle one.
type walk struct {
	*program
	n int
}

// key returns the user key of the entry at a distance after the middle one.
func (w walk) key(after int) string { return numbered(w.n/2 + after) }

// from returns the user keys from key(after) to the last.
func (w walk) from(after int) (keys []string) {
	for i := w.n/2 + after; i < w.n; i++ {
		keys = append(keys, numbered(i))
	}
	return keys
}

// interruption changes something in the middle of a walk. The rest of the walk must yield the changed
// map.
type interruption struct {
	name string
	do   func(walk) error
	rest func(walk) []string // the keys that the walk yields afterwards
}

// interruptions lists the changes that a loop must allow.
var interruptions = []interruption{
	{"nothing", func(walk) error { return nil }, goesOn},
	{"inserts just ahead", func(w walk) error { return w.entries.Put(w.key(0)+"x", "") },
		func(w walk) []string { return append([]string{w.key(0) + "x"}, w.from(1)...) }},
	{"inserts just before the current", func(w walk) error { return w.entries.Put(w.key(-1)+"x", "") }, goesOn},
	{"inserts at the end", func(w walk) error { return w.entries.Put("z", "") },
		func(w walk) []string { return append(w.from(1), "z") }},
	{"removes the next", removesNext, skipsNext},
	{"removes the current", func(w walk) error { return w.entries.Remove(w.key(0)) }, goesOn},
	{"removes the one before", func(w walk) error { return w.entries.Remove(w.key(-1)) }, goesOn},
	{"clears", func(w walk) error { return w.entries.Clear() }, func(walk) []string { return nil }},
	{"clears and fills again", clearsAndStartsAnew, func(w walk) []string { return []string{w.key(0) + "y", "z"} }},
	{"sets another key and clears its map", movesOnAndClears, goesOn},
	{"sets a key that is refused", movesOnAndIsRefused, goesOn},
	{"sets another namespace and removes the next there", movesOnAndRemovesThere, goesOn},
	{"sets another key, and another handle removes the next here", movesOnAndAnotherRemoves, skipsNext},
	{"starts a snapshot and removes the next", savesAndRemovesNext, skipsNext},
	{"iterates over the map in the loop", func(w walk) error { collect(w.t, w.entries.All()); return nil }, goesOn},
	{"doubles the map ahead", doublesMap, func(w walk) []string { return doubled(w.from(0))[1:] }},
}

// goesOn returns all keys after the middle one: the change has no effect on the loop.
func goesOn(w walk) []string { return w.from(1) }

// skipsNext returns the keys after the middle one without the first of them.
func skipsNext(w walk) []string { return w.from(2) }

func removesNext(w walk) error { return w.entries.Remove(w.key(1)) }

func clearsAndStartsAnew(w walk) error {
	if err := w.entries.Clear(); err != nil {
		return err
	}
	return w.entries.PutAll(map[string]string{"": "", w.key(0) + "y": "", "z": ""})
}

func movesOnAndClears(w walk) error {
	if err := w.keyed.SetKey("other"); err != nil {
		return err
	}
	return w.entries.Clear()
}

func movesOnAndIsRefused(w walk) error {
	require.ErrorIs(w.t, w.keyed.SetKeyAndGroup("k", 1<<15), state.ErrKeyGroup)
	return nil
}

func movesOnAndRemovesThere(w walk) error {
	if err := w.entries.SetNamespace([]byte("other")); err != nil {
		return err
	}
	return removesNext(w)
}

func movesOnAndAnotherRemoves(w walk) error {
	q := programOn(w.t, w.backend)
	q.at("k")
	w.at("other")
	return q.entries.Remove(w.key(1))
}

func savesAndRemovesNext(w walk) error {
	save(w.t, w.backend, newStore(), "state")
	return removesNext(w)
}

func doublesMap(w walk) error {
	for i := range w.n {
		if err := w.entries.Put(numbered(i)+"x", ""); err != nil {
			return err
		}
	}
	return nil
}

// run iterates over a map of n entries. Another key and another namespace have maps too.
func (c interruption) run(t *testing.T, h harness, n int) {
	w := walk{h.program(t, state.Options{}), n}
	for _, at := range []place{{"other", ""}, {"k", "other"}, {"k", ""}} {
		w.at(at.key)
		w.in(at.namespace)
		w.putNumbered(n)
	}
	want := append(w.from(-(n / 2))[:n/2+1], c.rest(w)...)
	var got []string
	for e, err := range w.entries.All() {
		require.NoError(t, err)
		got = append(got, e.Key)
		if e.Key == w.key(0) {
			require.NoError(t, c.do(w))
		}
	}
	require.Equal(t, want, got)
}

func clearedNamespaceEndsLoop(t *testing.T, h harness, n int) {
	p := h.at(t, "k")
	p.in("dying")
	p.putNumbered(n)
	seen := 0
	for e, err := range p.entries.All() {
		require.NoError(t, err)
		seen++
		if e.Key == numbered(n/2) {
			require.NoError(t, p.entries.Clear())
			for _, namespace := range []string{"born", "and another"} {
				p.in(namespace)
				p.putNumbered(n)
			}
		}
	}
	require.Equal(t, n/2+1, seen)
}

func valuesWrittenAheadAreRead(t *testing.T, h harness, n int) {
	p := h.at(t, "k")
	p.putNumbered(n)
	for e, err := range p.entries.All() {
		require.NoError(t, err)
		if e.Key > numbered(0) {
			require.Equal(t, "after "+e.Key, e.Value)
		}
		i, err := strconv.Atoi(e.Key)
		require.NoError(t, err)
		if i+1 < n {
			require.NoError(t, p.entries.Put(numbered(i+1), "after "+numbered(i+1)))
		}
	}
}

func loopRemovesAll(t *testing.T, h harness, n int) {
	p := h.at(t, "k")
	p.putNumbered(n)
	seen := 0
	for e, err := range p.entries.All() {
		require.NoError(t, err)
		require.NoError(t, p.entries.Remove(e.Key))
		seen++
	}
	require.Equal(t, n, seen)
	p.requireNoMap()
}

// doubled returns each key, followed by the key with an x appended.
func doubled(keys []string) (both []string) {
	for _, key := range keys {
		both = append(both, key, key+"x")
	}
	return both
}
