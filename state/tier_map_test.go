package state_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
	"github.com/weirstate/weir/state/statetest"
)

var errBelow = errors.New("a row below cannot be read")

// below is a statetest.Tiered whose epochs the test ends and installs, and that counts reads of rows
// below.
type below struct {
	*statetest.Tiered
	t       testing.TB
	pending []*backend.TierRun

	gets, floors, scans, steps int
	failing                    int // number of steps and gets after which they fail; -1: never
}

// newBelow returns a backend without random events.
func newBelow(t testing.TB) *below {
	tiered, err := statetest.NewTiered(state.Options{}, 0, 1)
	require.NoError(t, err)
	b := &below{Tiered: tiered, t: t, failing: -1}
	t.Cleanup(func() {
		for len(b.pending) > 0 {
			b.install()
		}
		require.NoError(t, b.Close())
	})
	return b
}

func (b *below) Get(key []byte) (value []byte, ok bool, err error) {
	b.gets++
	if b.fails() {
		return nil, false, errBelow
	}
	return b.Tiered.Get(key)
}

func (b *below) Floor(prefix, key []byte) (found, value []byte, ok bool, err error) {
	b.floors++
	return b.Tiered.Floor(prefix, key)
}

func (b *below) ScanPrefix(prefix, from []byte) backend.Cursor {
	b.scans++
	return &belowCursor{b.Tiered.ScanPrefix(prefix, from), b}
}

// MayHold is exact, unlike that of Tiered.
func (b *below) MayHold(key []byte) bool {
	c := b.Tiered.ScanPrefix(key, key)
	defer c.Close()
	_, _, ok, err := c.Next()
	require.NoError(b.t, err)
	return ok
}

// fails reports whether a read fails.
func (b *below) fails() bool {
	if b.failing > 0 {
		b.failing--
		return false
	}
	return b.failing == 0
}

type belowCursor struct {
	backend.Cursor
	below *below
}

func (c *belowCursor) Next() (key, value []byte, ok bool, err error) {
	c.below.steps++
	if c.below.fails() {
		return nil, nil, false, errBelow
	}
	return c.Cursor.Next()
}

// reads returns the number of reads of rows below since the last call.
func (b *below) reads() int {
	n := b.gets + b.floors + b.scans
	b.gets, b.floors, b.scans = 0, 0, 0
	return n
}

// freeze ends an epoch.
func (b *below) freeze() {
	run, err := b.Tier().Freeze()
	if err != nil {
		panic(err) // a test has few epochs
	}
	b.pending = append(b.pending, run)
}

// install installs the oldest pending epoch.
func (b *below) install() {
	run := b.pending[0]
	b.pending = b.pending[1:]
	require.NoError(b.t, run.Entries(func(op backend.Op, key, value []byte) error {
		switch op {
		case backend.OpSet:
			return b.Set(key, value)
		case backend.OpDelete:
			return b.Delete(key)
		case backend.OpDeletePrefix:
			return b.DeletePrefix(key)
		}
		return fmt.Errorf("operation %d of a map", op)
	}))
	b.Tier().Install(run.Epoch)
	run.Close()
}

// evict installs everything and removes all rows from the tier.
func (b *below) evict() {
	b.freeze()
	for len(b.pending) > 0 {
		b.install()
	}
	b.Tier().Evict(0)
	require.Zero(b.t, b.Tier().Bytes())
}

// tierMapOn declares a map in a tier, at key 1.
func tierMapOn(t testing.TB, b backend.Backend) (state.MapState[int64, int64], *state.Keyed[int64]) {
	keyed, err := state.NewKeyed(b, codec.Int[int64]())
	require.NoError(t, err)
	m, err := state.MapOf(keyed, state.MapDescriptor[int64, int64]{Name: "m", Key: codec.Int[int64](), Value: codec.Int[int64]()})
	require.NoError(t, err)
	require.NoError(t, keyed.SetKey(1))
	return m, keyed
}

// fill puts i → 10i for each i in [0, n).
func fill(t testing.TB, m state.MapState[int64, int64], n int64) {
	for i := range n {
		require.NoError(t, m.Put(i, 10*i))
	}
}

// keysOf returns the user keys of a map.
func keysOf(t testing.TB, m state.MapState[int64, int64]) (keys []int64) {
	for key, err := range m.Keys() {
		require.NoError(t, err)
		keys = append(keys, key)
	}
	return keys
}

func TestTierMapRemovesPutsAndClearsAcrossEpochs(t *testing.T) {
	steps := map[string]func(state.MapState[int64, int64]) error{
		"put 1":    func(m state.MapState[int64, int64]) error { return m.Put(1, 7) },
		"remove 1": func(m state.MapState[int64, int64]) error { return m.Remove(1) },
		"clear":    func(m state.MapState[int64, int64]) error { return m.Clear() },
		"put 2":    func(m state.MapState[int64, int64]) error { return m.Put(2, 8) },
		"get 1":    func(m state.MapState[int64, int64]) error { _, _, err := m.Get(1); return err },
	}
	names := []string{"put 1", "remove 1", "clear", "put 2", "get 1"}
	ends := []struct {
		name string
		do   func(*below)
	}{
		{"same epoch", func(*below) {}},
		{"pending", func(b *below) { b.freeze() }},
		{"installed", func(b *below) {
			b.freeze()
			for len(b.pending) > 0 {
				b.install()
			}
		}},
		{"evicted", func(b *below) { b.evict() }},
	}
	run := func(t *testing.T, first, second, third string, end1, end2 int) {
		b := newBelow(t)
		m, _ := tierMapOn(t, b)
		fill(t, m, 3)
		b.evict()
		model := map[int64]int64{0: 0, 1: 10, 2: 20}
		apply := func(name string) {
			require.NoError(t, steps[name](m))
			switch name {
			case "put 1":
				model[1] = 7
			case "remove 1":
				delete(model, 1)
			case "clear":
				clear(model)
			case "put 2":
				model[2] = 8
			}
		}
		check := func() {
			for i := range int64(3) {
				value, ok, err := m.Get(i)
				require.NoError(t, err)
				want, in := model[i]
				require.Equal(t, in, ok, i)
				require.Equal(t, want, value, i)
			}
			n, err := m.Len()
			require.NoError(t, err)
			require.Equal(t, len(model), n)
		}
		apply(first)
		ends[end1].do(b)
		apply(second)
		ends[end2].do(b)
		apply(third)
		check()
		b.evict()
		check()
	}
	for _, first := range names {
		for _, second := range names {
			for _, third := range names {
				for end1 := range ends {
					for end2 := range ends {
						t.Run(fmt.Sprint(first, ", ", ends[end1].name, ", ", second, ", ", ends[end2].name, ", ", third), func(t *testing.T) {
							run(t, first, second, third, end1, end2)
						})
					}
				}
			}
		}
	}
}

func TestTierMapReadsBelowOnlyWhereItMust(t *testing.T) {
	b := newBelow(t)
	m, keyed := tierMapOn(t, b)
	_, _, err := m.Get(1)
	require.NoError(t, err)
	require.Empty(t, keysOf(t, m))
	fill(t, m, 3)
	require.Equal(t, []int64{0, 1, 2}, keysOf(t, m))
	require.Zero(t, b.reads(), "nothing is below")

	b.evict()
	require.NoError(t, m.Put(1, 1))
	require.NoError(t, m.Remove(2))
	empty, err := m.IsEmpty()
	require.NoError(t, err)
	require.False(t, empty)
	require.Zero(t, b.reads(), "writes, and IsEmpty with an entry here")
	for range 2 {
		_, ok, err := m.Get(0)
		require.NoError(t, err)
		require.True(t, ok)
		_, ok, err = m.Get(5)
		require.NoError(t, err)
		require.False(t, ok)
	}
	require.Equal(t, 2, b.reads(), "one for each user key")
	require.Equal(t, []int64{0, 1}, keysOf(t, m))
	require.Equal(t, 1, b.reads())
	require.Equal(t, []int64{0, 1}, keysOf(t, m))
	_, _, err = m.Floor(9)
	require.NoError(t, err)
	require.Zero(t, b.reads(), "the walk has made the map complete")

	b.evict()
	require.NoError(t, m.Clear())
	require.Empty(t, keysOf(t, m))
	require.NoError(t, keyed.SetKey(2))
	require.Empty(t, keysOf(t, m))
	require.Zero(t, b.reads(), "a cleared map and one without rows below")
}

func TestTierMapWithManyEntriesIsWalkedWithoutKeepingThem(t *testing.T) {
	b := newBelow(t)
	m, _ := tierMapOn(t, b)
	for _, n := range []int64{256, 257} {
		fill(t, m, n)
		b.evict()
		require.Len(t, keysOf(t, m), int(n))
		kept, complete := state.TierMapEntries[int64](m)
		require.Equal(t, n == 256, complete)
		if !complete {
			require.Zero(t, kept)
		}
	}
}

func TestTierMapWalksOverAbsentEntriesAtTheBordersOfRowsBelow(t *testing.T) {
	for _, removed := range [][]int64{{0}, {299}, {0, 1, 2}, {297, 298, 299}, {0, 150, 299}, {149, 150, 151}, {-1, 300}} {
		t.Run(fmt.Sprint(removed), func(t *testing.T) {
			b := newBelow(t)
			m, _ := tierMapOn(t, b)
			fill(t, m, 300)
			b.evict()
			var want []int64
			for i := range int64(300) {
				if !slices.Contains(removed, i) {
					want = append(want, i)
				}
			}
			for _, key := range removed {
				require.NoError(t, m.Remove(key))
			}
			require.Equal(t, want, keysOf(t, m))
			b.freeze()
			require.Equal(t, want, keysOf(t, m))
			for _, key := range removed {
				require.NoError(t, m.Put(key, 1))
			}
			require.Len(t, keysOf(t, m), len(want)+len(removed))
			for _, key := range removed {
				require.NoError(t, m.Remove(key))
			}
			require.Equal(t, want, keysOf(t, m))
			b.evict()
			require.Equal(t, want, keysOf(t, m))
		})
	}
}

func TestTierMapFloorStepsOverAbsentEntries(t *testing.T) {
	b := newBelow(t)
	m, _ := tierMapOn(t, b)
	fill(t, m, 300)
	b.evict()
	require.NoError(t, m.Put(100, 1))
	for i := int64(101); i <= 110; i++ {
		require.NoError(t, m.Remove(i))
	}
	require.NoError(t, m.Remove(0))
	require.NoError(t, m.Remove(1))
	for key, want := range map[int64]int64{99: 99, 100: 100, 110: 100, 111: 111, 105: 100, 500: 299, 2: 2, 1: -1, -5: -1} {
		e, ok, err := m.Floor(key)
		require.NoError(t, err)
		require.Equal(t, want >= 0, ok, key)
		if ok {
			require.Equal(t, want, e.Key)
		}
	}
	require.NoError(t, m.Remove(100))
	e, _, err := m.Floor(110)
	require.NoError(t, err)
	require.Equal(t, state.Entry[int64, int64]{Key: 99, Value: 990}, e)
}

func TestTierMapFloorFindsTheLastOfKeysThatBeginAlike(t *testing.T) {
	b := newBelow(t)
	keyed, err := state.NewKeyed(b, codec.Int[int64]())
	require.NoError(t, err)
	m, err := state.MapOf(keyed, state.MapDescriptor[string, int64]{Name: "m", Key: codec.String[string](), Value: codec.Int[int64]()})
	require.NoError(t, err)
	require.NoError(t, keyed.SetKey(1))
	ff := string(slices.Repeat([]byte{0xff}, 20))
	keys := []string{"", "a", "a\x00", "a\x00\x00", "a" + ff, "a" + ff + "a", "a" + ff + ff, "b", "b\x00", "c"}
	for i, key := range keys {
		require.NoError(t, m.Put(key, int64(i)))
	}
	for last := range keys {
		for first := range last {
			b.evict()
			for _, key := range keys[first+1 : last+1] {
				require.NoError(t, m.Remove(key))
			}
			e, ok, err := m.Floor(keys[last])
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, state.Entry[string, int64]{Key: keys[first], Value: int64(first)}, e)
			for i, key := range keys {
				require.NoError(t, m.Put(key, int64(i)))
			}
		}
	}
	b.evict()
	for _, key := range keys {
		require.NoError(t, m.Remove(key))
	}
	_, ok, err := m.Floor("d")
	require.NoError(t, err)
	require.False(t, ok)
}

func TestTierMapWalkReportsAnErrorBelowLastAndLosesNothing(t *testing.T) {
	b := newBelow(t)
	m, _ := tierMapOn(t, b)
	fill(t, m, 300)
	b.evict()
	require.NoError(t, m.Put(50, 1))
	b.failing = 101
	seen := 0
	var last error
	for e, err := range m.All() {
		require.NoError(t, last, "an error is the last element")
		if last = err; err == nil {
			require.Equal(t, int64(seen), e.Key)
			seen++
		}
	}
	require.ErrorIs(t, last, errBelow)
	require.ErrorContains(t, last, `state "m"`)
	require.Equal(t, 101, seen)
	for _, read := range []func() error{
		func() error { _, _, err := m.Get(7); return err },
		func() error { _, err := m.Len(); return err },
	} {
		require.ErrorIs(t, read(), errBelow)
	}
	b.failing = -1
	require.Len(t, keysOf(t, m), 300)
	value, ok, err := m.Get(7)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, int64(70), value)
}

// A walk that has read a row ahead must not yield it after the row was removed, installed and evicted.
func TestTierMapWalkSeesWhatHappenedBelowItsRowAhead(t *testing.T) {
	b := newBelow(t)
	m, _ := tierMapOn(t, b)
	fill(t, m, 300)
	b.evict()
	require.NoError(t, m.Put(2, 1))
	var got []int64
	for e, err := range m.All() {
		require.NoError(t, err)
		got = append(got, e.Key)
		if e.Key == 2 { // from the tier; 3 may be read ahead
			require.NoError(t, m.Remove(3))
			require.NoError(t, m.Put(4, 44))
			b.evict()
		}
		if e.Key == 4 {
			require.Equal(t, int64(44), e.Value)
			require.NoError(t, m.Clear())
			require.NoError(t, m.Put(200, 2))
			b.evict()
			require.NoError(t, m.Put(100, 1))
		}
	}
	require.Equal(t, []int64{0, 1, 2, 4, 100, 200}, got)
}

// A random program of writes, loops with writes in them, freezes, installs and evictions equals a Go map.
func TestTierMapEqualsAGoMap(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 3))
			b := newBelow(t)
			m, keyed := tierMapOn(t, b)
			models := map[int64]map[int64]int64{1: {}, 2: {}}
			current := int64(1)
			limit := []int64{20, 600}[seed%2]
			change := func() {
				model, key := models[current], rng.Int64N(limit)
				switch rng.IntN(40) {
				case 0:
					require.NoError(t, m.Clear())
					clear(model)
				case 1, 2:
					b.freeze()
				case 3, 4:
					if len(b.pending) > 0 {
						b.install()
					}
				case 5:
					b.Tier().Evict(b.Tier().Bytes() * rng.Int64N(4) / 4)
				case 6:
					current = 3 - current
					require.NoError(t, keyed.SetKey(current))
				case 7, 8:
					for range rng.IntN(50) {
						require.NoError(t, m.Put(key, key))
						model[key] = key
						key = (key + 1) % limit
					}
				case 9, 10, 11, 12, 13:
					value, ok, err := m.Get(key)
					require.NoError(t, err)
					want, in := model[key]
					require.Equal(t, in, ok)
					require.Equal(t, want, value)
				case 14, 15, 16, 17, 18, 19, 20, 21:
					require.NoError(t, m.Remove(key))
					delete(model, key)
				case 22, 23:
					e, ok, err := m.Floor(key)
					require.NoError(t, err)
					want, in := int64(0), false
					for k := range model {
						if k <= key && (!in || k > want) {
							want, in = k, true
						}
					}
					require.Equal(t, in, ok)
					require.Equal(t, state.Entry[int64, int64]{Key: want, Value: model[want]}, e)
				default:
					value := rng.Int64()
					require.NoError(t, m.Put(key, value))
					model[key] = value
				}
			}
			for step := range 3000 {
				change()
				if step%20 > 0 {
					continue
				}
				at, changes := current, rng.IntN(8) == 0
				last, seq := int64(-1), m.All()
				if rng.IntN(2) == 0 {
					last = rng.Int64N(limit) - 1
					seq = m.From(last + 1)
				}
				next := func() (key int64, ok bool) {
					for k := range models[at] {
						if k > last && (!ok || k < key) {
							key, ok = k, true
						}
					}
					return key, ok
				}
				for e, err := range seq {
					require.NoError(t, err)
					want, ok := next()
					require.True(t, ok, "%d is not in the map", e.Key)
					require.Equal(t, state.Entry[int64, int64]{Key: want, Value: models[at][want]}, e)
					last = e.Key
					for changes && rng.IntN(3) == 0 {
						change()
					}
				}
				_, ok := next()
				require.False(t, ok, "the walk ended early")
				want, rows, ok := state.TierMapBytes[int64](m)
				require.True(t, ok)
				require.Equal(t, want, b.Tier().Bytes(), "of %d rows", rows)
			}
			b.Tier().Drop()
			require.Zero(t, b.Tier().Bytes())
		})
	}
}

// A map of one entry, whose key grows: each step puts one and removes the one before.
func TestTierMapOfOneHotEntryStaysSmall(t *testing.T) {
	for _, freezes := range []int{0, 1, 100} {
		t.Run(fmt.Sprint("a freeze each ", freezes), func(t *testing.T) {
			b := newBelow(t)
			m, _ := tierMapOn(t, b)
			require.NoError(t, m.Put(-1, 0))
			b.evict()
			require.Equal(t, []int64{-1}, keysOf(t, m)) // makes the map complete
			b.reads()
			for i := range int64(10_000) {
				require.NoError(t, m.Put(i, i))
				require.NoError(t, m.Remove(i-1))
				require.Equal(t, []int64{i}, keysOf(t, m))
				entries, complete := state.TierMapEntries[int64](m)
				require.True(t, complete)
				require.Less(t, entries, 40)
				if freezes > 0 && i%int64(freezes) == 0 {
					b.freeze()
					if len(b.pending) > 2 {
						b.install()
					}
				}
			}
			require.Zero(t, b.reads())
		})
	}
}

// A map with a write in each epoch is never evicted as a whole. It must not keep all that was ever read.
func TestTierMapThatIsAlwaysDirtyDropsCleanEntries(t *testing.T) {
	b := newBelow(t)
	m, _ := tierMapOn(t, b)
	fill(t, m, 10_000)
	b.evict()
	for i := range int64(10_000) {
		require.NoError(t, m.Put(0, i))
		b.freeze()
		if len(b.pending) > 1 {
			b.install()
		}
		value, ok, err := m.Get(i)
		require.NoError(t, err)
		require.True(t, ok)
		if i > 0 {
			require.Equal(t, 10*i, value)
		}
		entries, _ := state.TierMapEntries[int64](m)
		require.Less(t, entries, 4_000)
	}
	b.evict()
	n, err := m.Len()
	require.NoError(t, err)
	require.Equal(t, 10_000, n)
}

// The end of a walk makes a map complete, and may trim it. It must not do both.
func TestTierMapThatIsTrimmedAtTheEndOfAWalkIsIncomplete(t *testing.T) {
	const all = 2_050
	for read := int64(2_020); read < 2_040; read++ { // one of them is the number at which the map is trimmed
		b := newBelow(t)
		m, _ := tierMapOn(t, b)
		fill(t, m, all)
		b.evict()
		for i := range read {
			_, ok, err := m.Get(i)
			require.NoError(t, err)
			require.True(t, ok)
		}
		require.Len(t, keysOf(t, m), all)
		require.Len(t, keysOf(t, m), all, "%d entries were in the tier", read)
	}
}
