package statetest

import (
	"fmt"
	"maps"
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/state"
)

// writeSteps are the steps that use the states of a job. Each calls an operation of a program and the
// same operation of the model, and compares the results.
var writeSteps = []step{
	{60, (*world).stepValue},
	{90, (*world).stepList},
	{130, (*world).stepMap},
	{20, (*world).stepMapLoop},
	{40, (*world).stepReducing},
	{40, (*world).stepAggregating},
	{30, (*world).stepMerge},
	{70, (*world).stepTimer},
	{12, (*world).stepAdvance},
	{12, (*world).stepKeys},
	{6, (*world).stepForeignKey},
	{6, (*world).stepMany},
}

// stepValue uses the value state.
func (w *world) stepValue() {
	at := w.place()
	p := w.makeCurrent(at.key)
	require.NoError(w.t, p.value.SetNamespace([]byte(at.namespace)))
	switch w.rng.IntN(5) {
	case 0, 1:
		v := w.text()
		w.note("%q Value.Set %q", at, v)
		if w.requireTaken(p.value.Set(v), v) {
			w.model.values[at] = v
		}
	case 2:
		w.note("%q Value.Clear", at)
		require.NoError(w.t, p.value.Clear())
		delete(w.model.values, at)
	default:
		w.note("%q Value.Get", at)
		requireModel(w, w.model.values, at, p.value)
	}
}

// stepMany writes or clears values of many keys, so that a table grows, shrinks
// and grows again.
func (w *world) stepMany() {
	first, clears := w.rng.IntN(worldMany), w.rng.IntN(3) == 0
	v := fmt.Sprint("many ", w.rng.IntN(100))
	w.note("Value.Set %q or Clear of many keys from %d on, clear %v", v, first, clears)
	for i := range worldMany / 4 {
		at := place{key: fmt.Sprint("many ", (first+i)%worldMany)}
		p := w.makeCurrent(at.key)
		var err error
		if p.in(""); clears {
			err = p.value.Clear()
			delete(w.model.values, at)
		} else {
			err = p.value.Set(v)
			w.model.values[at] = v
		}
		require.NoError(w.t, err)
	}
}

// requireModel compares a state that stores one value with the model.
func requireModel(w *world, all map[place]string, at place, s getter[string]) {
	w.t.Helper()
	got, ok, err := s.Get()
	want, stored := all[at]
	if err != nil || ok != stored || got != want { // checked often: require is slow
		require.NoError(w.t, err)
		require.Equal(w.t, stored, ok)
		require.Equal(w.t, want, got)
	}
}

// stepList uses the list state.
func (w *world) stepList() {
	at := w.place()
	p := w.makeCurrent(at.key)
	require.NoError(w.t, p.list.SetNamespace([]byte(at.namespace)))
	old := w.model.lists[at]
	switch w.rng.IntN(12) {
	case 0, 1, 2, 3:
		e := w.text()
		w.note("%q List.Add %q", at, e)
		if w.requireTaken(p.list.Add(e), e) {
			w.model.setList(at, append(old, e))
		}
	case 4, 5, 6:
		list := w.texts()
		w.note("%q List.AddAll %q", at, list)
		if w.requireTaken(p.list.AddAll(list), list...) {
			w.model.setList(at, append(old, list...))
		}
	case 7:
		list := w.texts()
		w.note("%q List.Set %q", at, list)
		if w.requireTaken(p.list.Set(list), list...) {
			w.model.setList(at, slices.Clone(list))
		}
	case 8:
		w.note("%q List.Clear", at)
		require.NoError(w.t, p.list.Clear())
		w.model.setList(at, nil)
	default:
		w.note("%q List.Get", at)
		requireList(w.t, old, p.list)
	}
}

// stepMap uses the map state.
func (w *world) stepMap() {
	at := w.place()
	p := w.makeCurrent(at.key)
	require.NoError(w.t, p.entries.SetNamespace([]byte(at.namespace)))
	key := w.userKey()
	switch w.rng.IntN(30) {
	case 0, 1, 2, 3, 4, 5:
		w.putEntry(p, at, key)
	case 6, 7, 8, 9:
		w.putEntries(p, at)
	case 10, 11, 12, 13:
		w.removeEntry(p, at, key)
	case 14:
		w.note("%q Map.Remove of many", at)
		for _, e := range w.model.entries(at) {
			if w.rng.IntN(3) > 0 {
				w.removeEntry(p, at, e.Key)
			}
		}
	case 15:
		w.clearMap(p, at)
	case 16, 17, 18, 19, 20:
		w.note("%q Map.Get %q", at, key)
		want, stored := w.model.maps[at][key]
		requireEntry(w.t, p, key, want, stored)
	case 21, 22, 23:
		w.note("%q Map.Floor %q", at, key)
		want, ok := w.model.floor(at, key)
		requireFloor(w.t, p.entries, key, want, ok)
	case 24, 25, 26:
		w.note("%q Map.From %q", at, key)
		requireFrom(w.t, p.entries, key, w.model.from(at, key))
	default:
		w.note("%q Map.All", at)
		requireMap(w.t, w.model.entries(at), p.entries)
	}
}

func (w *world) putEntry(p *program, at place, key string) {
	v := w.text()
	w.note("%q Map.Put %q %q", at, key, v)
	if w.requireTaken(p.entries.Put(key, v), v) {
		w.model.put(at, key, v)
	}
}

func (w *world) putEntries(p *program, at place) {
	entries := make(map[string]string)
	for range w.rng.IntN(60) {
		v := w.text()
		if len(v) > worldValueBytes && w.rng.IntN(8) > 0 { // otherwise hardly any PutAll would succeed
			v = "small"
		}
		entries[w.userKey()] = v
	}
	w.note("%q Map.PutAll %q", at, entries)
	if w.requireTaken(p.entries.PutAll(entries), slices.Collect(maps.Values(entries))...) {
		for key, v := range entries {
			w.model.put(at, key, v)
		}
	}
}

func (w *world) removeEntry(p *program, at place, key string) {
	w.note("%q Map.Remove %q", at, key)
	require.NoError(w.t, p.entries.Remove(key))
	w.model.remove(at, key)
}

func (w *world) clearMap(p *program, at place) {
	w.note("%q Map.Clear", at)
	require.NoError(w.t, p.entries.Clear())
	delete(w.model.maps, at)
}

// stepMapLoop iterates over a map. The loop writes to this map and to others, and changes the current
// key.
func (w *world) stepMapLoop() {
	at := w.place()
	p := w.makeCurrent(at.key)
	require.NoError(w.t, p.entries.SetNamespace([]byte(at.namespace)))
	w.note("%q loop over Map.All", at)
	after, started := "", false
	for e, err := range p.entries.All() {
		require.NoError(w.t, err)
		want, ok := w.model.above(at, after, started)
		require.True(w.t, ok, "the loop yields %q after the last entry", e.Key)
		require.Equal(w.t, want, e)
		after, started = e.Key, true
		switch w.rng.IntN(40) {
		case 0:
			w.note("leave the loop")
			return
		case 1:
			w.clearMap(w.back(p, at), at)
		case 2, 3, 4, 5:
			w.putEntry(w.back(p, at), at, after+w.userKey())
		case 6, 7, 8:
			w.putEntry(w.back(p, at), at, w.userKey())
		case 9, 10, 11, 12, 13, 14:
			w.removeEntry(w.back(p, at), at, w.userKey())
		case 15, 16:
			w.removeEntry(w.back(p, at), at, after)
		case 17, 18:
			w.stepMap()
		case 19:
			w.stepTimer()
		}
	}
	next, more := w.model.above(at, after, started)
	require.False(w.t, more, "the loop ended before %q", next.Key)
}

// back makes the place of a loop current again, on the program of the loop or on the other one.
func (w *world) back(p *program, at place) *program {
	if w.rng.IntN(2) == 0 {
		p = w.makeCurrent(at.key)
	} else if current, ok := p.keyed.Key(); !ok || current != at.key || w.rng.IntN(2) == 0 {
		w.setKey(p, at.key)
	}
	require.NoError(w.t, p.entries.SetNamespace([]byte(at.namespace)))
	return p
}

// stepReducing uses the reducing state.
func (w *world) stepReducing() {
	at := w.place()
	p := w.makeCurrent(at.key)
	require.NoError(w.t, p.reduced.SetNamespace([]byte(at.namespace)))
	switch w.rng.IntN(8) {
	case 0, 1, 2, 3:
		v := w.text()
		w.note("%q Reducing.Add %q", at, v)
		err := p.reduced.Add(v)
		if old, ok := w.model.reduced[at]; ok {
			var refused error
			if v, refused = reduce(old, v); refused != nil {
				require.ErrorIs(w.t, err, refused)
				return
			}
		}
		if w.requireTaken(err, v) {
			w.model.reduced[at] = v
		}
	case 4:
		w.note("%q Reducing.Clear", at)
		require.NoError(w.t, p.reduced.Clear())
		delete(w.model.reduced, at)
	default:
		w.note("%q Reducing.Get", at)
		requireModel(w, w.model.reduced, at, p.reduced)
	}
}

// stepAggregating uses the aggregating state.
func (w *world) stepAggregating() {
	at := w.place()
	p := w.makeCurrent(at.key)
	require.NoError(w.t, p.aggregated.SetNamespace([]byte(at.namespace)))
	switch w.rng.IntN(8) {
	case 0, 1, 2, 3:
		n := int64(w.rng.IntN(30) - 2)
		w.note("%q Aggregating.Add %d", at, n)
		err := p.aggregated.Add(n)
		acc, refused := aggregate(w.model.aggregated[at], n)
		require.ErrorIs(w.t, err, refused)
		if refused == nil {
			w.model.aggregated[at] = acc
		}
	case 4:
		w.note("%q Aggregating.Clear", at)
		require.NoError(w.t, p.aggregated.Clear())
		delete(w.model.aggregated, at)
	default:
		w.note("%q Aggregating.Get", at)
		w.requireAggregate(w.model, at, p)
	}
}

func (w *world) requireAggregate(m *model, at place, p *program) {
	w.t.Helper()
	acc, ok := m.aggregated[at]
	if !ok {
		requireNothing(w.t, p.aggregated)
		return
	}
	requireValue(w.t, "<"+acc+">", p.aggregated)
}

// stepMerge merges namespaces of a state.
func (w *world) stepMerge() {
	at := w.place()
	p := w.makeCurrent(at.key)
	var names []string
	for range w.rng.IntN(5) {
		names = append(names, w.namespace())
	}
	target, from := []byte(at.namespace), sources(names...)
	var err, want error
	switch w.rng.IntN(3) {
	case 0:
		w.note("%q List.MergeNamespaces %q", at, names)
		err = p.list.MergeNamespaces(target, from)
		want = mergeInto(w.model.lists, at.key, at.namespace, names, joinLists)
	case 1:
		w.note("%q Reducing.MergeNamespaces %q", at, names)
		err = p.reduced.MergeNamespaces(target, from)
		want = mergeInto(w.model.reduced, at.key, at.namespace, names, reduce)
	case 2:
		w.note("%q Aggregating.MergeNamespaces %q", at, names)
		err = p.aggregated.MergeNamespaces(target, from)
		want = mergeInto(w.model.aggregated, at.key, at.namespace, names, joinAggregates)
	}
	require.ErrorIs(w.t, err, want)
}

// stepForeignKey sets a key that another subtask owns.
func (w *world) stepForeignKey() {
	s := w.subtasks[w.rng.IntN(len(w.subtasks))]
	key := w.key()
	if w.owns(s, key) {
		return
	}
	p := s[w.rng.IntN(2)]
	w.note("SetKey %q on a subtask that does not own it", key)
	require.ErrorIs(w.t, p.keyed.SetKeyAndGroup(key, w.group(key)), state.ErrKeyGroup)
	require.ErrorIs(w.t, p.value.Set("v"), state.ErrNoKey)
}
