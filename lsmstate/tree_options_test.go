package lsmstate_test

import (
	"context"
	"fmt"
	"math"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/await"
	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/lsmstate"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
	"github.com/weirstate/weir/vfs/vfstest"
)

// watcher is a Picker that counts calls and picks nothing.
type watcher struct{ asked atomic.Int64 }

func (w *watcher) Pick(lsm.Shape) *lsm.Pick { w.asked.Add(1); return nil }

// filled returns a backend with enough rows for several tables, after they are flushed.
func filled[K any](t *testing.T, o lsmstate.Options, keys codec.Codec[K], key func(int) K) *lsmstate.Backend {
	t.Helper()
	b, err := lsmstate.Create("dir", o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	_, ok := b.Metrics()
	require.False(t, ok, "no tree yet")
	keyed, err := state.NewKeyed(b, keys)
	require.NoError(t, err)
	value, err := state.ValueOf(keyed, state.ValueDescriptor[string]{Name: "value", Codec: codec.String[string]()})
	require.NoError(t, err)
	for i := range 2000 {
		require.NoError(t, keyed.SetKey(key(i)))
		require.NoError(t, value.Set(strings.Repeat("v", 1000)))
	}
	await.True(t, func() bool {
		m, ok := b.Metrics()
		return ok && m.Flushes > 0 && !m.Flushing && !m.Compacting
	}, func() string { return "nothing was flushed" })
	return b
}

// Tools can open the tree of a crashed backend with exported names.
func TestCheckOpensTheTreeOfABackend(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	check := func() error {
		crashed := mem.CrashClone(vfstest.CrashOptions{})
		name, err := lsm.SplitOf(context.Background(), "dir/tree", lsm.Options{FS: crashed})
		require.NoError(t, err)
		split, err := lsmstate.Split(name)
		require.NoError(t, err)
		report, err := lsm.Check(context.Background(), "dir/tree",
			lsm.Options{FS: crashed, Split: split, PartitionBytes: lsmstate.PartitionBytes})
		require.Positive(t, report.Tables)
		require.Empty(t, report.Problems)
		return err
	}
	o := lsmstate.Options{FS: mem, Budget: lsm.NewBudget(4 << 20)}
	b := filled(t, o, codec.String[string](), func(i int) string { return fmt.Sprint(i) })
	require.NoError(t, check())
	require.NoError(t, b.Close())
	filled(t, o, codec.Int[int64](), func(i int) int64 { return int64(i) })
	require.NoError(t, check())
}

func TestSplitRefusesOtherNames(t *testing.T) {
	for _, name := range []string{"", "whole key", "composite", "composite key of", "composite key of 8 byte", "composite key of 08 bytes",
		"composite key of -1 bytes", "composite key of 8 bytes of"} {
		_, err := lsmstate.Split(name)
		require.ErrorIs(t, err, lsmstate.ErrNotStore, name)
	}
}

// A damaged store may have any size in the name of its split function.
func TestSplitOfHugeKeysTakesEveryKey(t *testing.T) {
	split, err := lsmstate.Split(fmt.Sprintf("composite key of %d bytes", math.MaxInt))
	require.NoError(t, err)
	key := []byte("\x00\x01state key")
	require.Equal(t, len(key), split.Func(key))
}

func TestOptionsArePassedToTheTree(t *testing.T) {
	var flushed atomic.Int64
	picker := &watcher{}
	sizes := make(map[lsm.Compression]int64)
	for _, c := range []lsm.Compression{lsm.NoCompression, lsm.Zstd} {
		b := filled(t, lsmstate.Options{
			FS: vfstest.NewMem(vfstest.MemOptions{}), Budget: lsm.NewBudget(4 << 20),
			Picker: picker, Compression: []lsm.Compression{c},
			Events: lsm.Events{Flushed: func(lsm.FlushInfo) { flushed.Add(1) }},
		}, codec.Int[int64](), func(i int) int64 { return int64(i) })
		m, ok := b.Metrics()
		require.True(t, ok)
		require.Zero(t, m.Compactions)
		sizes[c] = m.DiskBytes() / m.Flushes
		require.NoError(t, b.Close())
		_, ok = b.Metrics()
		require.False(t, ok, "closed")
	}
	require.Positive(t, flushed.Load())
	require.Positive(t, picker.asked.Load())
	require.Less(t, sizes[lsm.Zstd], sizes[lsm.NoCompression]/10)
}

func TestCreateChecksCompression(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	_, err := lsmstate.Create("dir", lsmstate.Options{FS: mem, Compression: []lsm.Compression{lsm.S2, 77}})
	require.ErrorIs(t, err, backend.ErrInvalid)
	_, err = mem.List("dir")
	require.Error(t, err, "nothing is made")
}
