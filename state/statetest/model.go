package statetest

import (
	"cmp"
	"maps"
	"slices"

	"github.com/weirstate/weir/state"
)

// model holds the state that the programs of a job must have, in Go maps and slices. A place without
// state has no entry.
type model struct {
	values     map[place]string
	lists      map[place][]string
	maps       map[place]map[string]string
	reduced    map[place]string
	aggregated map[place]string // accumulators
	timers     map[timer]bool
}

type timer struct {
	domain state.Domain
	fired
}

func newModel() *model {
	return &model{
		values:     make(map[place]string),
		lists:      make(map[place][]string),
		maps:       make(map[place]map[string]string),
		reduced:    make(map[place]string),
		aggregated: make(map[place]string),
		timers:     make(map[timer]bool),
	}
}

func (m *model) clone() *model {
	c := &model{
		values:     maps.Clone(m.values),
		lists:      make(map[place][]string),
		maps:       make(map[place]map[string]string),
		reduced:    maps.Clone(m.reduced),
		aggregated: maps.Clone(m.aggregated),
		timers:     maps.Clone(m.timers),
	}
	for at, list := range m.lists {
		c.lists[at] = slices.Clone(list)
	}
	for at, entries := range m.maps {
		c.maps[at] = maps.Clone(entries)
	}
	return c
}

func (m *model) setList(at place, list []string) {
	if len(list) == 0 {
		delete(m.lists, at)
		return
	}
	m.lists[at] = list
}

func (m *model) put(at place, key, value string) {
	if m.maps[at] == nil {
		m.maps[at] = make(map[string]string)
	}
	m.maps[at][key] = value
}

func (m *model) remove(at place, key string) {
	delete(m.maps[at], key)
	if len(m.maps[at]) == 0 {
		delete(m.maps, at)
	}
}

// entries returns the entries of a map, in order.
func (m *model) entries(at place) (all []entry) {
	for _, key := range slices.Sorted(maps.Keys(m.maps[at])) {
		all = append(all, entry{Key: key, Value: m.maps[at][key]})
	}
	return all
}

// above returns the entry that an iteration must yield after the user key after, or the first entry
// if started is false. It returns false at the end.
func (m *model) above(at place, after string, started bool) (next entry, ok bool) {
	for _, e := range m.entries(at) {
		if !started || e.Key > after {
			return e, true
		}
	}
	return next, false
}

// floor returns the last entry of a map at or below a user key.
func (m *model) floor(at place, key string) (last entry, ok bool) {
	for _, e := range m.entries(at) {
		if e.Key > key {
			break
		}
		last, ok = e, true
	}
	return last, ok
}

// from returns the entries of a map at or above a user key.
func (m *model) from(at place, key string) []entry {
	all := m.entries(at)
	for len(all) > 0 && all[0].Key < key {
		all = all[1:]
	}
	return all
}

// places returns the places where the named state is not empty.
func (m *model) places(name string) []place {
	switch name {
	case "value":
		return slices.Collect(maps.Keys(m.values))
	case "list":
		return slices.Collect(maps.Keys(m.lists))
	case "map":
		return slices.Collect(maps.Keys(m.maps))
	case "reducing":
		return slices.Collect(maps.Keys(m.reduced))
	case "aggregating":
		return slices.Collect(maps.Keys(m.aggregated))
	}
	return nil
}

// due returns the timers of a domain whose keys satisfy owned, in the order in which they fire.
func (m *model) due(d state.Domain, owned func(key string) bool) (all []fired) {
	for t := range m.timers {
		if t.domain == d && owned(t.key) {
			all = append(all, t.fired)
		}
	}
	slices.SortFunc(all, func(a, b fired) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.key, b.key), cmp.Compare(a.namespace, b.namespace))
	})
	return all
}

// mergeInto is the model of MergeNamespaces. It changes nothing if join returns an error.
func mergeInto[V any](all map[place]V, key, target string, sources []string, join func(target, source V) (V, error)) error {
	into := place{key, target}
	merged, ok := all[into]
	var from []place
	for _, source := range sources {
		at := place{key, source}
		value, found := all[at]
		if !found || at == into || slices.Contains(from, at) {
			continue
		}
		if ok {
			var err error
			if value, err = join(merged, value); err != nil {
				return err
			}
		}
		merged, ok = value, true
		from = append(from, at)
	}
	if len(from) == 0 {
		return nil
	}
	all[into] = merged
	for _, at := range from {
		delete(all, at)
	}
	return nil
}

func joinLists(target, source []string) ([]string, error) {
	return slices.Concat(target, source), nil
}
