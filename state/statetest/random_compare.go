package statetest

import (
	"cmp"
	"slices"

	"github.com/stretchr/testify/require"
)

// compare compares the contents of a job with a model. If drain is set, it also fires all timers.
func (w *world) compare(subtasks []subtask, m *model, drain bool) {
	w.t.Helper()
	for _, s := range subtasks {
		p := programOn(w.t, s.backend()) // other handles, so that keys and namespaces of the job's own stay
		for _, name := range keyedStates {
			w.compareState(p, s, m, name)
		}
		w.compareTimers(p, s, m, drain)
	}
}

// compareState compares one state of a subtask with the model.
func (w *world) compareState(p *program, s subtask, m *model, name string) {
	w.t.Helper()
	want := w.listing(m, s, name)
	var got []place
	for _, at := range collect(w.t, p.keyed.KeysAndNamespaces(name)) {
		got = append(got, place{at.Key, string(at.Namespace)})
	}
	require.Equal(w.t, want, got, name)
	for _, at := range want {
		w.setKey(p, at.key)
		p.in(at.namespace)
		switch name {
		case "value":
			requireModel(w, m.values, at, p.value)
		case "list":
			requireList(w.t, m.lists[at], p.list)
		case "map":
			requireMap(w.t, m.entries(at), p.entries)
		case "reducing":
			requireModel(w, m.reduced, at, p.reduced)
		case "aggregating":
			w.requireAggregate(m, at, p)
		}
	}
}

// listing returns the places that KeysAndNamespaces must yield on a subtask.
func (w *world) listing(m *model, s subtask, name string) (want []place) {
	for _, at := range m.places(name) {
		if w.owns(s, at.key) {
			want = append(want, at)
		}
	}
	slices.SortFunc(want, func(a, b place) int {
		if a.key == b.key {
			return cmp.Compare(a.namespace, b.namespace)
		}
		return cmp.Or(cmp.Compare(w.group(a.key), w.group(b.key)), cmp.Compare(a.key, b.key))
	})
	return want
}

// compareTimers compares the timers of a subtask with the model.
func (w *world) compareTimers(p *program, s subtask, m *model, drain bool) {
	w.t.Helper()
	for _, d := range domains {
		want := m.due(d, func(key string) bool { return w.owns(s, key) })
		first := int64(0)
		if len(want) > 0 {
			first = want[0].at
		}
		p.requireTimers(d, len(want), first)
		if drain {
			require.Equal(w.t, want, p.advance(d, worldTime, nil), d)
		}
	}
}

// stepKeys iterates over the keys of a state and writes during the iteration.
func (w *world) stepKeys() {
	s := w.subtasks[w.rng.IntN(len(w.subtasks))]
	name := keyedStates[w.rng.IntN(len(keyedStates))]
	w.note("list the keys of %s", name)
	want := w.listing(w.model, s, name)
	var got []place
	for at, err := range s[w.rng.IntN(2)].keyed.KeysAndNamespaces(name) {
		require.NoError(w.t, err)
		got = append(got, place{at.Key, string(at.Namespace)})
		switch w.rng.IntN(12) {
		case 0:
			w.stepValue()
		case 1:
			w.stepList()
		case 2:
			w.stepMap()
		}
	}
	require.Equal(w.t, want, got)
}
