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

// Engine is a backend, or bare Go maps, that the operations run on.
type Engine struct {
	// Name is the name of the engine in the rows.
	Name string
	// Open opens an empty backend with its files in TempDir. The suite closes the backend. Nil
	// means bare Go maps.
	Open func(testing.TB, state.Options) (backend.Backend, error)
	// Lacks lists the operations that the engine does not support. They are skipped.
	Lacks []string
}

// GoMap runs the operations on bare Go maps of the same types, without snapshots, key groups,
// limits and order. Its times are a lower bound for backends.
var GoMap = Engine{Name: "gomap"}

// Operations runs all operations on all engines.
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

// groups is the number of key groups in Flink's suite.
const groups = 2

// store returns the engine as the operations of Flink's suite use it.
func (e Engine) store(b *testing.B) store {
	if e.Open == nil {
		return goMaps()
	}
	return weirStore(func() *state.Keyed[int64] {
		_, k := keyed(b, e.Open, groups)
		return k
	})
}

// keyed opens an empty backend with int64 keys. The backend is closed when the benchmark ends.
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

// must1 returns v. It panics if err is not nil.
func must1[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// check panics if err is not nil.
func check(err error) {
	if err != nil {
		panic(err)
	}
}

// shuffled returns the numbers from first to first+n-1 in random order. The order is the same in
// every run.
func shuffled(first, n int) []int64 {
	rng := rand.New(rand.NewPCG(1, uint64(first)))
	keys := make([]int64, n)
	for i, at := range rng.Perm(n) {
		keys[i] = int64(first + at)
	}
	return keys
}

// row returns the name of a row.
func row(op, backend string, keys int) string {
	return fmt.Sprintf("op=%s/backend=%s/keys=%d", op, backend, keys)
}
