package suite

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/weirstate/weir/heapstate"
	"github.com/weirstate/weir/lsmstate"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

// opener opens an empty backend. What it keeps on disk is in b.TempDir.
type opener func(b testing.TB, o state.Options) (snapshot.Backend, error)

// backends are those of the suite, by the name in the rows.
var backends = []struct {
	name string
	open opener
}{
	{"hash", func(_ testing.TB, o state.Options) (snapshot.Backend, error) { return heapstate.NewHash(o) }},
	{"btree", func(_ testing.TB, o state.Options) (snapshot.Backend, error) { return heapstate.NewBTree(o) }},
	{"lsm", func(b testing.TB, o state.Options) (snapshot.Backend, error) {
		return lsmstate.Open(b.TempDir(), lsmstate.Options{Options: o})
	}},
}

// keyed opens an empty backend with int64 keys, for as long as the benchmark lasts.
// Two key groups are what Flink's suite uses.
func keyed(b testing.TB, open opener, groups int) (snapshot.Backend, *state.Keyed[int64]) {
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
