package suite

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
)

// Engine is what the operations run on.
type Engine struct {
	// Name stands in the rows.
	Name string
	// Open opens an empty backend, with its files in TempDir. The suite closes it. Nil
	// means a bare Go map.
	Open func(testing.TB, state.Options) (backend.Backend, error)
	// Lacks are rows that are left out.
	Lacks []string
}

// GoMap is the floor: bare Go maps of the same types, with no snapshots, no key
// groups, no limits and no order.
var GoMap = Engine{Name: "gomap"}

// Operations runs every row on every engine: those of Flink's suite, and those that
// it leaves out.
func Operations(b *testing.B, engines ...Engine) {
	for _, o := range ops {
		for _, e := range engines {
			e.run(b, o.name, func(b *testing.B) { run(b, o, e.store(b)) })
		}
	}
	for _, o := range beyond {
		for _, e := range engines {
			e.run(b, o.name, func(b *testing.B) { loop(b, o.on(b, e)) })
		}
	}
}

func (e Engine) run(b *testing.B, op string, do func(*testing.B)) {
	if !slices.Contains(e.Lacks, op) {
		b.Run(row(op, e.Name, setupKeys), do)
	}
}

// groups is how many key groups Flink's suite has.
const groups = 2

// store is the engine under the operations of Flink's suite.
func (e Engine) store(b *testing.B) store {
	if e.Open == nil {
		return goMaps()
	}
	return weirStore(func() *state.Keyed[int64] {
		_, k := keyed(b, e.Open, groups)
		return k
	})
}

// keyed opens an empty backend with int64 keys, for as long as the benchmark lasts.
func keyed[B backend.Backend](b testing.TB, open func(testing.TB, state.Options) (B, error), groups int) (B, *state.Keyed[int64]) {
	backend, err := open(b, state.Options{Keyspace: state.WholeKeyspace(groups)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { check(backend.Close()) })
	k, err := state.NewKeyed(backend, codec.Int[int64]())
	if err != nil {
		b.Fatal(err)
	}
	return backend, k
}

// must1 fails the benchmark on an error.
func must1[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// check does so where there is no value.
func check(err error) {
	if err != nil {
		panic(err)
	}
}

// shuffled is the numbers from first on, n of them, in an order that is the
// same in every run.
func shuffled(first, n int) []int64 {
	rng := rand.New(rand.NewPCG(1, uint64(first)))
	keys := make([]int64, n)
	for i, at := range rng.Perm(n) {
		keys[i] = int64(first + at)
	}
	return keys
}

// row is the name of a row.
func row(op, backend string, keys int) string {
	return fmt.Sprintf("op=%s/backend=%s/keys=%d", op, backend, keys)
}
