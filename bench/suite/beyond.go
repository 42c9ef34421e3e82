package suite

import (
	"cmp"
	"container/heap"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"sort"
	"testing"

	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

// loop measures do as the operation of a benchmark.
func loop(b *testing.B, do func(i int)) {
	i := 0
	for b.Loop() {
		do(i)
		i++
	}
}

// beyondOp is one row. Its functions set up the state, in Go maps or in a backend, and return
// the operation; i counts the calls.
type beyondOp struct {
	name  string
	goMap func() func(i int)
	weir  func(*state.Keyed[int64]) func(i int)
}

// on sets up the state in an engine and returns the operation.
func (o beyondOp) on(b *testing.B, e Engine) func(i int) {
	if e.Open == nil {
		return o.goMap()
	}
	_, k := keyed(b, e.Open, groups)
	return o.weir(k)
}

// beyond lists the rows that Flink's suite does not have: reducing and aggregating states,
// merged namespaces, timers, and read-modify-write with skewed keys.
var beyond = []beyondOp{
	{"reducingAdd", goAdd(oldKeys), func(k *state.Keyed[int64]) func(int) {
		r := must1(state.ReducingOf(k, state.ReducingDescriptor[int64]{
			Name: "reducing", Codec: codec.Int[int64](), Reduce: func(a, b int64) (int64, error) { return a + b, nil },
		}))
		return filled(func(i int) {
			check(k.SetKey(at(oldKeys, i)))
			check(r.Add(1))
		})
	}},
	{"aggregatingAdd", goAdd(oldKeys), func(k *state.Keyed[int64]) func(int) {
		a := must1(state.AggregatingOf(k, state.AggregatingDescriptor[int64, int64, float64]{
			Name: "aggregating", Codec: codec.Int[int64](),
			Create: func() int64 { return 0 },
			Add:    func(sum, v int64) (int64, error) { return sum + v, nil },
			Merge:  func(a, b int64) (int64, error) { return a + b, nil },
			Result: func(sum int64) (float64, error) { return float64(sum), nil },
		}))
		return filled(func(i int) {
			check(k.SetKey(at(oldKeys, i)))
			check(a.Add(1))
		})
	}},
	{"valueReadModifyWrite", goAdd(oldKeys), weirReadModifyWrite(oldKeys)},
	{"valueReadModifyWriteZipf099", goAdd(zipfKeys), weirReadModifyWrite(zipfKeys)},
	{"windowAdd", goWindows, weirWindows},
	{"mergeNamespaces", goMerge, weirMerge},
	{"timerRegisterAndFire", goTimers, weirTimers},
}

// filled calls the operation once for each of the first setupKeys numbers, and returns it.
func filled(do func(i int)) func(i int) {
	for i := range setupKeys {
		do(i)
	}
	return do
}

// zipfKeys is a random sequence of keys in a Zipf distribution with exponent 0.99. The most
// frequent keys are scattered over the key space. It is drawn by inversion of the distribution
// function.
var zipfKeys = func() []int64 {
	const exponent = 0.99
	cumulative := make([]float64, setupKeys)
	sum := 0.0
	for i := range cumulative {
		sum += 1 / math.Pow(float64(i+1), exponent)
		cumulative[i] = sum
	}
	rng := rand.New(rand.NewPCG(2, 2))
	keys := make([]int64, 1<<20)
	for i := range keys {
		keys[i] = oldKeys[sort.SearchFloat64s(cumulative, rng.Float64()*sum)]
	}
	return keys
}()

func goAdd(keys []int64) func() func(int) {
	return func() func(int) {
		m := make(map[int64]int64)
		filled(func(i int) { m[at(oldKeys, i)]++ })
		return func(i int) { m[at(keys, i)]++ }
	}
}

func weirReadModifyWrite(keys []int64) func(*state.Keyed[int64]) func(int) {
	return func(k *state.Keyed[int64]) func(int) {
		v := must1(state.ValueOf(k, state.ValueDescriptor[int64]{Name: "value", Codec: codec.Int[int64]()}))
		add := func(key int64) {
			check(k.SetKey(key))
			n, _, err := v.Get()
			check(err)
			check(v.Set(n + 1))
		}
		filled(func(i int) { add(at(oldKeys, i)) })
		return func(i int) { add(at(keys, i)) }
	}
}

// windows is the number of namespaces of a key.
const windows = 4

type windowKey struct{ key, window int64 }

func goWindows() func(int) {
	m := make(map[windowKey]int64)
	return filled(func(i int) { m[windowKey{at(oldKeys, i), int64(i % windows)}]++ })
}

func namespace(window int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(window)) }

var namespaces = [windows][]byte{namespace(0), namespace(1), namespace(2), namespace(3)}

func weirWindows(k *state.Keyed[int64]) func(int) {
	r := must1(state.ReducingOf(k, state.ReducingDescriptor[int64]{
		Name: "window", Codec: codec.Int[int64](), Reduce: func(a, b int64) (int64, error) { return a + b, nil },
	}))
	return filled(func(i int) {
		check(k.SetKey(at(oldKeys, i)))
		check(r.SetNamespace(namespaces[i%windows]))
		check(r.Add(1))
	})
}

// goMerge appends an element to the list of one namespace and replaces the list of
// another namespace with it.
func goMerge() func(int) {
	m := make(map[windowKey][]int64)
	return func(i int) {
		a, b := windowKey{at(oldKeys, i), 0}, windowKey{at(oldKeys, i), 1}
		m[b] = append(m[b], int64(i))
		m[a] = append(m[a][:0], m[b]...)
		delete(m, b)
	}
}

func weirMerge(k *state.Keyed[int64]) func(int) {
	l := must1(state.ListOf(k, state.ListDescriptor[int64]{Name: "merge", Codec: codec.Int[int64]()}))
	sources := [][]byte{namespaces[1]}
	return func(i int) {
		check(k.SetKey(at(oldKeys, i)))
		check(l.SetNamespace(namespaces[0]))
		check(l.Clear())
		check(l.SetNamespace(namespaces[1]))
		check(l.Add(int64(i)))
		check(l.MergeNamespaces(namespaces[0], sources))
	}
}

// pendingTimers is the number of registered timers that have not fired. Each operation registers
// a timer and fires one on average.
const pendingTimers = 100_000

type goTimer struct{ timestamp, key int64 }

type goTimerHeap []goTimer

func (h goTimerHeap) Len() int { return len(h) }
func (h goTimerHeap) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(h[i].timestamp, h[j].timestamp), cmp.Compare(h[i].key, h[j].key)) < 0
}
func (h goTimerHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *goTimerHeap) Push(x any)   { *h = append(*h, x.(goTimer)) }
func (h *goTimerHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// timestamp returns the time of timer i: a random time from i to i+pendingTimers-1.
func timestamp(i int) int64 { return int64(i) + at(values, i)%pendingTimers }

func goTimers() func(int) {
	var queue goTimerHeap
	known := make(map[goTimer]bool)
	register := func(i int) {
		t := goTimer{timestamp(i), at(oldKeys, i)}
		if !known[t] {
			known[t] = true
			heap.Push(&queue, t)
		}
	}
	for i := range pendingTimers {
		register(i)
	}
	return func(i int) {
		register(pendingTimers + i)
		for len(queue) > 0 && queue[0].timestamp <= int64(i) {
			delete(known, heap.Pop(&queue).(goTimer))
		}
	}
}

func weirTimers(k *state.Keyed[int64]) func(int) {
	timers := must1(state.TimersOf(k, "timers"))
	register := func(i int) {
		check(k.SetKey(at(oldKeys, i)))
		check(timers.Register(state.EventTime, timestamp(i), nil))
	}
	for i := range pendingTimers {
		register(i)
	}
	fire := func(state.Timer[int64]) error { return nil }
	return func(i int) {
		register(pendingTimers + i)
		check(timers.Advance(state.EventTime, int64(i), fire))
	}
}
