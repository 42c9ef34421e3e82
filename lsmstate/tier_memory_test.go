package lsmstate

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
	"github.com/weirstate/weir/vfs/vfstest"
)

// tieredBackend returns a backend with a tier.
func tieredBackend(t testing.TB, budget *lsm.Budget, o Options) *Backend {
	t.Helper()
	o.FS, o.Budget, o.Tier = vfstest.NewMem(vfstest.MemOptions{}), budget, true
	b, err := Create("dir", o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

// values declares a value state with some types and returns a function that sets the value of a key.
func values[K, V any](t testing.TB, b snapshot.Backend, keys codec.Codec[K], value codec.Codec[V]) func(K, V) {
	t.Helper()
	k, err := state.NewKeyed(b, keys)
	require.NoError(t, err)
	v, err := state.ValueOf(k, state.ValueDescriptor[V]{Name: "value", Codec: value})
	require.NoError(t, err)
	return func(key K, value V) {
		require.NoError(t, k.SetKey(key))
		require.NoError(t, v.Set(value))
	}
}

func setInts(t testing.TB, b *Backend, rows int) {
	set := values(t, b, codec.Int[int64](), codec.Int[int64]())
	for i := range rows {
		set(int64(i), int64(i))
	}
}

// setStrings sets values of some bytes under keys of as many bytes.
func setStrings(bytes int) func(testing.TB, *Backend, int) {
	return func(t testing.TB, b *Backend, rows int) {
		set := values(t, b, codec.String[string](), codec.String[string]())
		for i := range rows {
			set(fmt.Sprintf("%0*d", bytes, i), strings.Repeat("v", bytes))
		}
	}
}

// heapBytes returns the live bytes of Go's heap.
func heapBytes() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// heapVariable is set in a process that measures its heap.
const heapVariable = "WEIR_MEASURE_HEAP"

// The numbers of rows are between two splits of the index and soon after one. Memory of other tests could
// become free during a measurement, so the test runs in a process of its own. Its goroutines and runtime
// take some of the heap as well.
func TestTierIsChargedForTheHeapThatItTakes(t *testing.T) {
	if os.Getenv(heapVariable) == "" {
		alone := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		alone.Env = append(os.Environ(), heapVariable+"=1")
		output, err := alone.CombinedOutput()
		require.NoError(t, err, "%s", output)
		require.Contains(t, string(output), "--- PASS: "+t.Name()+"/int64_20000")
		return
	}
	for name, set := range map[string]func(testing.TB, *Backend, int){
		"int64": setInts, "20 B": setStrings(20), "100 B": setStrings(100),
	} {
		for _, rows := range []int{20_000, 40_000, 50_000, 60_000, 70_000} {
			t.Run(fmt.Sprint(name, " ", rows), func(t *testing.T) {
				b := tieredBackend(t, lsm.NewBudget(64<<20), Options{tierBytes: 1 << 30})
				set(t, b, 1)
				before := heapBytes()
				set(t, b, rows)
				ratio := float64(b.tier.tier.Memory()) / float64(heapBytes()-before)
				runtime.KeepAlive(b)
				require.GreaterOrEqual(t, ratio, 0.8)
				require.LessOrEqual(t, ratio, 1.4)
			})
		}
	}
}

// Rows that say that nothing is below do not pile up: neither those of reads, nor those of values that
// were cleared.
func TestMissingRowsAreDropped(t *testing.T) {
	b := tieredBackend(t, lsm.NewBudget(64<<20), Options{tierBytes: 1 << 30})
	k, err := state.NewKeyed(b, codec.Int[int64]())
	require.NoError(t, err)
	v, err := state.ValueOf(k, state.ValueDescriptor[int64]{Name: "value", Codec: codec.Int[int64]()})
	require.NoError(t, err)
	const rounds, keysPerRound = 100, 1000
	for i := range int64(rounds * keysPerRound) {
		require.NoError(t, k.SetKey(2*i))
		_, ok, err := v.Get()
		require.NoError(t, err)
		require.False(t, ok)
		require.NoError(t, k.SetKey(2*i+1))
		require.NoError(t, v.Set(i))
		require.NoError(t, v.Clear())
		if i%keysPerRound == 0 {
			require.NoError(t, b.tier.wait())
		}
	}
	require.Less(t, b.tier.tier.Bytes(), int64(10*keysPerRound*chargeOfInts))
	require.NoError(t, k.SetKey(1))
	_, ok, err := v.Get()
	require.NoError(t, err)
	require.False(t, ok)
}

// chargeOfInts is what a row with a key and a value of eight bytes is charged.
const chargeOfInts = 34

// Pages that a view keeps count while it is open.
func TestTierIsChargedForPagesThatAViewKeeps(t *testing.T) {
	b := tieredBackend(t, lsm.NewBudget(64<<20), Options{tierBytes: 1 << 30})
	setInts(t, b, 10_000)
	memory := b.tier.tier.Memory()
	pin := b.registry.Freeze()
	setInts(t, b, 10_000)
	require.Greater(t, b.tier.tier.Memory(), memory*3/2)
	pin.Close()
	require.Equal(t, memory, b.tier.tier.Memory())
}

func TestTierCountsInTheBudget(t *testing.T) {
	budget := lsm.NewBudget(4 << 20)
	first, second := tieredBackend(t, budget, Options{}), tieredBackend(t, budget, Options{})
	limit := func() int64 { return int64(float64(budget.Limit()/2) / heapFactor()) }
	setInts(t, first, 1000)
	require.GreaterOrEqual(t, float64(budget.Used()), float64(first.tier.tier.Memory())*heapFactor())
	setInts(t, first, 100_000)
	alone := first.tier.tier.Bytes()
	require.InDelta(t, limit(), alone, float64(limit()/3), "a backend alone has the whole part of tiers")
	setInts(t, second, 100_000)
	v, err := first.View()
	require.NoError(t, err)
	v.Close()
	setInts(t, first, 1)
	both := first.tier.tier.Bytes() + second.tier.tier.Bytes()
	require.InDelta(t, limit(), both, float64(limit()/3), "%d and %d", first.tier.tier.Bytes(), second.tier.tier.Bytes())
	require.Greater(t, second.tier.tier.Bytes(), limit()/3, "the second backend gets its part")
	claimed := budget.Used()
	require.NoError(t, second.Close())
	require.Less(t, budget.Used(), claimed-limit()/3)
	setInts(t, first, 100_000)
	require.InDelta(t, alone, first.tier.tier.Bytes(), float64(limit()/3))
}

func TestHeapFactorFollowsGOGC(t *testing.T) {
	before := debug.SetGCPercent(50)
	defer debug.SetGCPercent(before)
	require.InDelta(t, 1.5, heapFactor(), 1e-9)
	debug.SetGCPercent(-1)
	require.InDelta(t, 1, heapFactor(), 1e-9)
	debug.SetGCPercent(300)
	require.InDelta(t, 4, heapFactor(), 1e-9)
}
