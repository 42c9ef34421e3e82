package suite

import (
	"runtime"
	"testing"

	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

// The sizes are those of Flink's suite (flink-benchmarks, class StateBenchmarkConstants).
const (
	setupKeys  = 500_000
	mapKeys    = 10
	listValues = 100
)

var (
	oldKeys = shuffled(0, setupKeys)
	newKeys = shuffled(setupKeys, setupKeys)
	values  = shuffled(0, 1_000_000)
	hundred = values[:listValues]
	entries = shuffled(0, mapKeys)
	ten     = tenEntries()
)

func tenEntries() map[int64]float64 {
	m := make(map[int64]float64, mapKeys)
	for _, k := range entries {
		m[k] = float64(k)
	}
	return m
}

// op is one row. setup sets up the state and returns the operation; i counts the calls. After
// limit operations the state is set up again, because the operation changes it too much; 0 means
// no limit.
type op struct {
	name  string
	limit int
	setup func(store) func(i int)
}

// store is an engine as the operations use it. Each function sets up an empty state.
type store struct {
	value func() valueOps
	list  func() listOps
	maps  func() mapOps
}

// valueOps are the operations of a value state. As with a Go map, the key is an argument.
type valueOps struct {
	get func(key int64) int64
	set func(key, v int64)
}

// listOps are the operations of a list state.
type listOps struct {
	get    func(key int64) []int64
	add    func(key, v int64)
	addAll func(key int64, v []int64)
	set    func(key int64, v []int64)
}

// mapOps are the operations of a map state. uk is the user key inside the map.
type mapOps struct {
	get      func(key, uk int64) float64
	contains func(key, uk int64) bool
	put      func(key, uk int64, v float64)
	putAll   func(key int64, m map[int64]float64)
	remove   func(key, uk int64)
	isEmpty  func(key int64) bool
	each     func(key int64, visit func(uk int64, v float64))
	keys     func(key int64) int64
	values   func(key int64) float64
}

var sinkInt int64
var sinkFloat float64

func at(keys []int64, i int) int64 { return keys[i%len(keys)] }

// ops lists the rows of Flink's ValueStateBenchmark, ListStateBenchmark and MapStateBenchmark.
var ops = []op{
	{"valueUpdate", 0, func(s store) func(int) {
		v := filledValues(s)
		return func(i int) { v.set(at(oldKeys, i), at(values, i)) }
	}},
	{"valueAdd", setupKeys, func(s store) func(int) {
		v := filledValues(s)
		return func(i int) { v.set(at(newKeys, i), at(values, i)) }
	}},
	{"valueGet", 0, func(s store) func(int) {
		v := filledValues(s)
		return func(i int) { sinkInt += v.get(at(oldKeys, i)) }
	}},
	{"listUpdate", 0, func(s store) func(int) {
		l := filledLists(s)
		return func(i int) { l.set(at(oldKeys, i), []int64{at(values, i)}) }
	}},
	{"listAdd", setupKeys, func(s store) func(int) {
		l := filledLists(s)
		return func(i int) { l.set(at(newKeys, i), []int64{at(values, i)}) }
	}},
	{"listAppend", 20 * setupKeys, func(s store) func(int) {
		l := filledLists(s)
		return func(i int) { l.add(at(oldKeys, i), at(values, i)) }
	}},
	{"listGet", 0, func(s store) func(int) {
		l := filledLists(s)
		return func(i int) { sinkInt += int64(len(l.get(at(oldKeys, i)))) }
	}},
	{"listGetAndIterate", 0, func(s store) func(int) {
		l := filledLists(s)
		return func(i int) {
			for _, e := range l.get(at(oldKeys, i)) {
				sinkInt += e
			}
		}
	}},
	{"listAddAll", setupKeys, func(s store) func(int) {
		l := filledLists(s)
		return func(i int) { l.addAll(at(oldKeys, i), hundred) }
	}},
	{"mapUpdate", 0, func(s store) func(int) {
		m := filledMaps(s)
		return func(i int) { m.put(at(oldKeys, i), at(entries, i/setupKeys), float64(i)) }
	}},
	{"mapAdd", setupKeys, func(s store) func(int) {
		m := filledMaps(s)
		return func(i int) { m.put(at(newKeys, i), at(entries, i), float64(i)) }
	}},
	{"mapGet", 0, func(s store) func(int) {
		m := filledMaps(s)
		return func(i int) { sinkFloat += m.get(at(oldKeys, i), at(entries, i)) }
	}},
	{"mapContains", 0, func(s store) func(int) {
		m := filledMaps(s)
		return func(i int) {
			if m.contains(at(oldKeys, i), at(entries, i)<<1) {
				sinkInt++
			}
		}
	}},
	{"mapIsEmpty", 0, func(s store) func(int) {
		m := filledMaps(s)
		return func(i int) {
			if m.isEmpty(at(oldKeys, i)) {
				sinkInt++
			}
		}
	}},
	{"mapKeys", 0, func(s store) func(int) {
		m := filledMaps(s)
		return func(i int) { sinkInt += m.keys(at(oldKeys, i)) }
	}},
	{"mapValues", 0, func(s store) func(int) {
		m := filledMaps(s)
		return func(i int) { sinkFloat += m.values(at(oldKeys, i)) }
	}},
	{"mapEntries", 0, func(s store) func(int) {
		m := filledMaps(s)
		return func(i int) {
			m.each(at(oldKeys, i), func(uk int64, v float64) { sinkInt += uk; sinkFloat += v })
		}
	}},
	{"mapIterator", 0, func(s store) func(int) {
		m := filledMaps(s)
		return func(i int) { m.each(at(oldKeys, i), func(uk int64, _ float64) { sinkInt += uk }) }
	}},
	{"mapRemove", setupKeys * mapKeys, func(s store) func(int) {
		m := filledMaps(s)
		return func(i int) { m.remove(at(oldKeys, i), at(entries, i/setupKeys)) }
	}},
	{"mapPutAll", 0, func(s store) func(int) {
		m := filledMaps(s)
		return func(i int) { m.putAll(at(oldKeys, i), ten) }
	}},
}

func filledValues(s store) valueOps {
	v := s.value()
	for i, key := range oldKeys {
		v.set(key, at(values, i))
	}
	return v
}

func filledLists(s store) listOps {
	l := s.list()
	for i, key := range oldKeys {
		l.add(key, at(values, i))
	}
	return l
}

func filledMaps(s store) mapOps {
	m := s.maps()
	for _, key := range oldKeys {
		for _, uk := range entries {
			m.put(key, uk, float64(uk))
		}
	}
	return m
}

func run(b *testing.B, o op, s store) {
	do := o.setup(s)
	i := 0
	for b.Loop() {
		if i == o.limit && o.limit > 0 {
			b.StopTimer()
			do = o.setup(s)
			i = 0
			b.StartTimer()
		}
		do(i)
		i++
	}
	runtime.KeepAlive(sinkInt)
	runtime.KeepAlive(sinkFloat)
}

func weirStore(newKeyed func() *state.Keyed[int64]) store {
	return store{
		value: func() valueOps { return weirValues(newKeyed()) },
		list:  func() listOps { return weirLists(newKeyed()) },
		maps:  func() mapOps { return weirMaps(newKeyed()) },
	}
}

func weirValues(k *state.Keyed[int64]) valueOps {
	v := must1(state.ValueOf(k, state.ValueDescriptor[int64]{Name: "value", Codec: codec.Int[int64]()}))
	return valueOps{
		get: func(key int64) int64 {
			check(k.SetKey(key))
			x, _, err := v.Get()
			check(err)
			return x
		},
		set: func(key, x int64) {
			check(k.SetKey(key))
			check(v.Set(x))
		},
	}
}

func weirLists(k *state.Keyed[int64]) listOps {
	l := must1(state.ListOf(k, state.ListDescriptor[int64]{Name: "list", Codec: codec.Int[int64]()}))
	return listOps{
		get: func(key int64) []int64 {
			check(k.SetKey(key))
			return must1(l.Get())
		},
		add: func(key, v int64) {
			check(k.SetKey(key))
			check(l.Add(v))
		},
		addAll: func(key int64, v []int64) {
			check(k.SetKey(key))
			check(l.AddAll(v))
		},
		set: func(key int64, v []int64) {
			check(k.SetKey(key))
			check(l.Set(v))
		},
	}
}

func weirMaps(k *state.Keyed[int64]) mapOps {
	m := must1(state.MapOf(k, state.MapDescriptor[int64, float64]{Name: "map", Key: codec.Int[int64](), Value: codec.Float[float64]()}))
	return mapOps{
		get: func(key, uk int64) float64 {
			check(k.SetKey(key))
			v, _, err := m.Get(uk)
			check(err)
			return v
		},
		contains: func(key, uk int64) bool {
			check(k.SetKey(key))
			return must1(m.Contains(uk))
		},
		put: func(key, uk int64, v float64) {
			check(k.SetKey(key))
			check(m.Put(uk, v))
		},
		putAll: func(key int64, all map[int64]float64) {
			check(k.SetKey(key))
			check(m.PutAll(all))
		},
		remove: func(key, uk int64) {
			check(k.SetKey(key))
			check(m.Remove(uk))
		},
		isEmpty: func(key int64) bool {
			check(k.SetKey(key))
			return must1(m.IsEmpty())
		},
		each: func(key int64, visit func(int64, float64)) {
			check(k.SetKey(key))
			for e, err := range m.All() {
				check(err)
				visit(e.Key, e.Value)
			}
		},
		keys: func(key int64) (sum int64) {
			check(k.SetKey(key))
			for uk, err := range m.Keys() {
				check(err)
				sum += uk
			}
			return sum
		},
		values: func(key int64) (sum float64) {
			check(k.SetKey(key))
			for v, err := range m.Values() {
				check(err)
				sum += v
			}
			return sum
		},
	}
}
