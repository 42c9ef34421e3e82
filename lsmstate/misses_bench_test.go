package lsmstate

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

// benchStates are a list and a map of a backend with tables in level 0, which have rows for the even
// keys below benchStateKeys.
type benchStates struct {
	keyed *state.Keyed[int64]
	list  state.ListState[int64]
	m     state.MapState[int64, int64]
}

const benchStateKeys = 100_000

func openBenchStates(b *testing.B) *benchStates {
	backend, err := Create(b.TempDir(), Options{Budget: lsm.NewBudget(256 << 20)})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, backend.Close()) })
	keyed, err := state.NewKeyed(backend, codec.Int[int64]())
	require.NoError(b, err)
	s := &benchStates{keyed: keyed}
	s.list, err = state.ListOf(keyed, state.ListDescriptor[int64]{Name: "list", Codec: codec.Int[int64]()})
	require.NoError(b, err)
	s.m, err = state.MapOf(keyed, state.MapDescriptor[int64, int64]{Name: "map", Key: codec.Int[int64](), Value: codec.Int[int64]()})
	require.NoError(b, err)
	for table := range 4 {
		for key := int64(2 * table); key < benchStateKeys; key += 8 {
			require.NoError(b, keyed.SetKey(key))
			require.NoError(b, s.list.AddAll([]int64{1, 2, 3}))
			for i := range int64(3) {
				require.NoError(b, s.m.Put(i, i))
			}
		}
		require.NoError(b, backend.db.Flush(context.Background()))
	}
	return s
}

// BenchmarkReads reads lists and maps of three elements, and of keys with nothing below.
func BenchmarkReads(b *testing.B) {
	s := openBenchStates(b)
	reads := []struct {
		name string
		do   func() error
	}{
		{"setKey", func() error { return nil }},
		{"listGet", func() error { _, err := s.list.Get(); return err }},
		{"mapIsEmpty", func() error { _, err := s.m.IsEmpty(); return err }},
		{"mapGet", func() error { _, _, err := s.m.Get(1); return err }},
		{"mapAll", func() (err error) {
			for _, e := range s.m.All() {
				err = e
			}
			return err
		}},
	}
	for _, row := range []string{"absent", "rows"} {
		for _, r := range reads {
			b.Run(fmt.Sprint(r.name, "/", row), func(b *testing.B) {
				rng := rand.New(rand.NewPCG(9, 9))
				for b.Loop() {
					key := 2 * rng.Int64N(benchStateKeys/2)
					if row == "absent" {
						key++
					}
					if err := s.keyed.SetKey(key); err != nil {
						b.Fatal(err)
					}
					if err := r.do(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
