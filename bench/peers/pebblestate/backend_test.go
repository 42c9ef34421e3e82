package pebblestate

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2"

	"github.com/weirstate/weir/heapstate"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
)

func open(t testing.TB, o state.Options) *Backend {
	b, err := Open(t.TempDir(), Options{Options: o, BudgetBytes: 8 << 20, Merger: pebble.DefaultMerger})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { must(t, b.Close()) })
	return b
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// runProgram runs a random program on a backend, and returns the results of its reads.
func runProgram(t *testing.T, b backend.Backend, seed uint64) (results []string) {
	k, err := state.NewKeyed(b, codec.String[string]())
	must(t, err)
	value, err := state.ValueOf(k, state.ValueDescriptor[int64]{Name: "value", Codec: codec.Int[int64]()})
	must(t, err)
	list, err := state.ListOf(k, state.ListDescriptor[int64]{Name: "list", Codec: codec.Int[int64]()})
	must(t, err)
	mapping, err := state.MapOf(k, state.MapDescriptor[string, int64]{Name: "map", Key: codec.String[string](), Value: codec.Int[int64]()})
	must(t, err)
	r := rand.New(rand.NewPCG(seed, 0))
	for i := range int64(2000) {
		must(t, k.SetKey(fmt.Sprint("key", r.IntN(20))))
		entry := fmt.Sprint(r.IntN(10))
		switch r.IntN(12) {
		case 0:
			must(t, value.Set(i))
		case 1:
			must(t, value.Clear())
		case 2, 3:
			must(t, list.Add(i))
		case 4:
			must(t, list.Clear())
		case 5, 6, 7:
			must(t, mapping.Put(entry, i))
		case 8:
			must(t, mapping.Remove(entry))
		case 9:
			must(t, mapping.Clear())
		case 10: // iterate and write
			for e, err := range mapping.All() {
				must(t, err)
				results = append(results, fmt.Sprint(e))
				if r.IntN(4) == 0 {
					must(t, mapping.Remove(fmt.Sprint(r.IntN(10))))
				}
			}
		}
		v, ok, err := value.Get()
		must(t, err)
		l, err := list.Get()
		must(t, err)
		m, found, err := mapping.Get(entry)
		must(t, err)
		results = append(results, fmt.Sprint(v, ok, l, m, found))
	}
	return results
}

// The B-tree backend iterates in the same order.
func TestProgramHasTheResultsOfTheBTreeBackend(t *testing.T) {
	for seed := range uint64(10) {
		o := state.Options{Keyspace: state.WholeKeyspace(4)}
		heap, err := heapstate.NewBTree(o)
		must(t, err)
		want, got := runProgram(t, heap, seed), runProgram(t, open(t, o), seed)
		must(t, heap.Close())
		for i := range want {
			if i >= len(got) || got[i] != want[i] {
				t.Fatalf("seed %d, step %d: got %v, want %s", seed, i, got[min(i, len(got)-1)], want[i])
			}
		}
	}
}
