package fuzz

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/cespare/xxhash/v2"
)

// model is a job in plain maps, one per state.
type model struct {
	key       string
	hasKey    bool
	namespace string

	value   map[spot]string
	list    map[spot][]string
	mapping map[spot]map[string]int32
	sum     map[spot]int64
	joined  map[spot]string
	timers  [2]map[alarm]bool
}

// spot is a key and a namespace.
type spot struct{ key, namespace string }

// alarm is a timer.
type alarm struct {
	timestamp int64
	spot
}

func newModel() *model {
	return &model{
		value: map[spot]string{}, list: map[spot][]string{}, mapping: map[spot]map[string]int32{},
		sum: map[spot]int64{}, joined: map[spot]string{}, timers: [2]map[alarm]bool{{}, {}},
	}
}

func (m *model) here() spot { return spot{m.key, m.namespace} }

func (m *model) in(namespace string) spot { return spot{m.key, namespace} }

// group returns the key group of a key, with eight groups.
func group(key string) uint64 { return (xxhash.Sum64String(key) >> 32) * 8 >> 32 }

// compareSpots compares spots in the order of rows.
func compareSpots(a, b spot) int {
	return cmp.Or(cmp.Compare(group(a.key), group(b.key)), cmp.Compare(a.key, b.key), cmp.Compare(a.namespace, b.namespace))
}

// spots returns the spots at which the mapping has entries, in order.
func (m *model) spots() []spot {
	return slices.SortedFunc(maps.Keys(m.mapping), compareSpots)
}

func (m *model) put(key string, v int32) {
	if m.mapping[m.here()] == nil {
		m.mapping[m.here()] = make(map[string]int32)
	}
	m.mapping[m.here()][key] = v
}

func (m *model) remove(key string) {
	delete(m.mapping[m.here()], key)
	if len(m.mapping[m.here()]) == 0 {
		delete(m.mapping, m.here())
	}
}

// next returns the smallest user key above after. If first is true, it returns the smallest of
// all.
func (m *model) next(after string, first bool) (key string, ok bool) {
	for k := range m.mapping[m.here()] {
		if (first || k > after) && (!ok || k < key) {
			key, ok = k, true
		}
	}
	return key, ok
}

// merge moves the values of the source namespaces to the target namespace, and folds them.
func merge[V any](m *model, values map[spot]V, target string, sources []string, fold func(a, b V) V) {
	for _, source := range sources {
		v, ok := values[m.in(source)]
		if !ok || source == target {
			continue
		}
		if old, ok := values[m.in(target)]; ok {
			v = fold(old, v)
		}
		values[m.in(target)] = v
		delete(values, m.in(source))
	}
}

// first returns the first timer of a domain.
func (m *model) first(domain int) (first alarm, ok bool) {
	for a := range m.timers[domain] {
		before := cmp.Or(cmp.Compare(a.timestamp, first.timestamp), cmp.Compare(a.key, first.key), cmp.Compare(a.namespace, first.namespace)) < 0
		if !ok || before {
			first, ok = a, true
		}
	}
	return first, ok
}

// entries returns the entries of the mapping at the current spot as text.
func (m *model) entries() string {
	text := ""
	for _, k := range slices.Sorted(maps.Keys(m.mapping[m.here()])) {
		text += fmt.Sprintf("%q=%d ", k, m.mapping[m.here()][k])
	}
	return text
}
