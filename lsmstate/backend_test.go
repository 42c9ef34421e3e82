package lsmstate

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/heapstate"
	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

const dir = "dir"

// backendOn returns a backend on a file system.
func backendOn(t *testing.T, fs vfs.FS, o Options) (*Backend, *state.Keyed[string]) {
	o.FS = fs
	b, err := Create(dir, o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	k, err := state.NewKeyed(b, codec.String[string]())
	require.NoError(t, err)
	return b, k
}

func newFS() *vfstest.Mem { return vfstest.NewMem(vfstest.MemOptions{}) }

func valueOn(t *testing.T, k *state.Keyed[string]) state.ValueState[string] {
	v, err := state.ValueOf(k, state.ValueDescriptor[string]{Name: "value", Codec: codec.String[string]()})
	require.NoError(t, err)
	return v
}

func listOn(t *testing.T, k *state.Keyed[string]) state.ListState[string] {
	l, err := state.ListOf(k, state.ListDescriptor[string]{Name: "list", Codec: codec.String[string]()})
	require.NoError(t, err)
	return l
}

func mapOn(t *testing.T, k *state.Keyed[string]) state.MapState[string, string] {
	m, err := state.MapOf(k, state.MapDescriptor[string, string]{Name: "map", Key: codec.String[string](), Value: codec.String[string]()})
	require.NoError(t, err)
	return m
}

func namesIn(t *testing.T, fs vfs.FS) []string {
	names, err := fs.List(dir)
	require.NoError(t, err)
	return names
}

func TestDirectoryHasOneBackend(t *testing.T) {
	fs := newFS()
	b, _ := backendOn(t, fs, Options{})
	_, err := Create(dir, Options{FS: fs})
	require.ErrorIs(t, err, ErrLocked)
	require.NoError(t, b.Close())
	backendOn(t, fs, Options{})
}

func TestCloseLeavesNothingOnDisk(t *testing.T) {
	for _, written := range []bool{false, true} {
		fs := newFS()
		b, k := backendOn(t, fs, Options{})
		f, err := fs.Create(filepath.Join(dir, "of somebody else"))
		require.NoError(t, err)
		require.NoError(t, f.Close())
		if written {
			require.NoError(t, k.SetKey("k"))
			require.NoError(t, valueOn(t, k).Set("v"))
			require.Contains(t, namesIn(t, fs), treeName)
		}
		require.NoError(t, b.Close())
		require.Equal(t, []string{lockName, backendMarker, "of somebody else"}, namesIn(t, fs))
	}
}

func TestFilesOfACrashedBackendAreRemoved(t *testing.T) {
	fs := newFS()
	b, k := backendOn(t, fs, Options{})
	require.NoError(t, k.SetKey("k"))
	require.NoError(t, valueOn(t, k).Set("v"))
	require.NoError(t, b.db.Flush(context.Background()))
	crashed := fs.CrashClone(vfstest.CrashOptions{Keep: 1})
	require.Contains(t, namesIn(t, crashed), treeName)
	c, k := backendOn(t, crashed, Options{})
	require.NoError(t, k.SetKey("k"))
	_, ok, err := valueOn(t, k).Get()
	require.NoError(t, err)
	require.False(t, ok)
	require.True(t, c.Empty())
}

func TestViewOutlivesItsBackend(t *testing.T) {
	fs := newFS()
	b, k := backendOn(t, fs, Options{})
	require.NoError(t, k.SetKey("k"))
	require.NoError(t, valueOn(t, k).Set("v"))
	first, second := view1(t, b), view1(t, b)
	require.NoError(t, b.Close())
	for _, v := range []snapshot.View{first, second} {
		require.Contains(t, namesIn(t, fs), treeName)
		require.Len(t, rowsOf(t, v), 1)
		v.Close()
		v.Close()
	}
	require.Equal(t, []string{lockName, backendMarker}, namesIn(t, fs))
}

func view1(t *testing.T, b *Backend) snapshot.View {
	v, err := b.View()
	require.NoError(t, err)
	return v
}

// rowsOf returns the rows of a view, as pairs of key and value.
func rowsOf(t *testing.T, v snapshot.View) (rows [][2]string) {
	groups := v.Keyspace().Groups
	for group := int(groups.First); group <= int(groups.Last); group++ {
		require.NoError(t, v.Rows(uint16(group), func(key, value []byte) error {
			rows = append(rows, [2]string{string(key), string(value)})
			return nil
		}))
	}
	return rows
}

// A reader may stop early and may read key groups in any order.
func TestViewMayBeReadInAnyOrder(t *testing.T) {
	b, k := backendOn(t, newFS(), Options{Options: state.Options{Keyspace: state.WholeKeyspace(8)}})
	value, timers := valueOn(t, k), timersOn(t, k)
	for i := range 100 {
		require.NoError(t, k.SetKey(fmt.Sprint(i)))
		require.NoError(t, value.Set("v"))
		require.NoError(t, timers.Register(state.EventTime, int64(i), nil))
	}
	v := view1(t, b)
	defer v.Close()
	want := rowsOf(t, v)
	require.Len(t, want, 200)
	stopped := errors.New("enough")
	read := func(group uint16, most int) (rows [][2]string, err error) {
		err = v.Rows(group, func(key, value []byte) error {
			if len(rows) == most {
				return stopped
			}
			rows = append(rows, [2]string{string(key), string(value)})
			return nil
		})
		return rows, err
	}
	for _, order := range [][]uint16{{0, 1, 2, 3, 4, 5, 6, 7}, {7, 6, 5, 4, 3, 2, 1, 0}, {3, 3, 6, 4, 0, 1, 1, 5, 7, 2}} {
		got := make([][][2]string, 8)
		for _, group := range order {
			for _, most := range []int{1, 3} {
				_, err := read(group, most)
				require.ErrorIs(t, err, stopped)
			}
			rows, err := read(group, len(want))
			require.NoError(t, err)
			got[group] = rows
		}
		require.Equal(t, want, slices.Concat(got...))
	}
}

// A value, entry or element of the maximum size exceeds the limit together with its header byte. The
// tree has room for that, and for smaller elements in the same row before a large one.
func TestValuesOfMaximumSizeAreStoredAndRead(t *testing.T) {
	const limit = 100
	o := Options{tune: func(o *lsm.Options) { o.MaxValueSize = limit + lsm.ValueRoom }}
	o.Limits.MaxValueSize = limit
	full := strings.Repeat("f", limit)
	elements := append(slices.Repeat([]string{full}, rowBytes/limit+2), "last")
	b, k := backendOn(t, newFS(), o)
	check := func(k *state.Keyed[string]) {
		require.NoError(t, k.SetKey("k"))
		got, _, err := valueOn(t, k).Get()
		require.NoError(t, err)
		require.Equal(t, full, got)
		got, _, err = mapOn(t, k).Get("u")
		require.NoError(t, err)
		require.Equal(t, full, got)
		for e, err := range mapOn(t, k).All() {
			require.NoError(t, err)
			require.Equal(t, full, e.Value)
		}
		list, err := listOn(t, k).Get()
		require.NoError(t, err)
		require.Equal(t, elements, list)
	}
	require.NoError(t, k.SetKey("k"))
	require.NoError(t, valueOn(t, k).Set(full))
	require.NoError(t, mapOn(t, k).Put("u", full))
	require.NoError(t, listOn(t, k).AddAll(elements))
	check(k)
	require.NoError(t, b.db.Flush(context.Background()))
	check(k)

	heap, err := heapstate.NewHash(state.Options{})
	require.NoError(t, err)
	of, err := state.NewKeyed(heap, codec.String[string]())
	require.NoError(t, err)
	valueOn(t, of)
	mapOn(t, of)
	listOn(t, of)
	v := view1(t, b)
	defer v.Close()
	for _, r := range rowsOf(t, v) {
		require.NoError(t, heap.Load([]byte(r[0]), []byte(r[1])))
	}
	check(of)
}

func TestAListIsCutIntoRows(t *testing.T) {
	const elementBytes = 1000
	b, k := backendOn(t, newFS(), Options{})
	list := listOn(t, k)
	require.NoError(t, k.SetKey("k"))
	const elements = 5000
	for range elements {
		require.NoError(t, list.Add(strings.Repeat("e", elementBytes)))
	}
	require.NoError(t, list.Add(strings.Repeat("l", 2*rowBytes)))
	require.NoError(t, list.Add("last"))
	v := view1(t, b)
	defer v.Close()
	rows := rowsOf(t, v)
	require.Len(t, rows, (elements*elementBytes+rowBytes-1)/rowBytes+2)
	for _, r := range rows[:len(rows)-2] {
		require.LessOrEqual(t, len(r[1]), rowBytes)
	}
	got, err := list.Get()
	require.NoError(t, err)
	require.Len(t, got, elements+2)
	require.Equal(t, "last", got[elements+1])
}

func TestLoadRefusesInvalidRows(t *testing.T) {
	b, k := backendOn(t, newFS(), Options{Options: state.Options{Keyspace: state.SubtaskKeyspace(0, 2, 128)}})
	valueOn(t, k)
	listOn(t, k)
	mapOn(t, k)
	timersOn(t, k)
	key := func(group uint16, name string, rest string) []byte {
		return append(backend.AppendHeader(nil, group, backend.IDOf(name)), rest...)
	}
	const row = "k\x00\x01\x00\x01"
	for _, bad := range []struct {
		key  []byte
		want error
	}{
		{nil, state.ErrCorrupt},
		{key(64, "value", row), state.ErrKeyGroup},
		{key(1<<15, "value", row), state.ErrKeyGroup},
		{key(1, "unknown", row), state.ErrUnknownState},
		{key(1, "value", row+"suffix"), state.ErrCorrupt},
		{key(1, "value", "k\x00\x01"), state.ErrCorrupt},
		{key(1, "list", "k\x00\x02"), state.ErrCorrupt},
		{key(1, "map", ""), state.ErrCorrupt},
		{key(1, "timers", row), state.ErrCorrupt},
	} {
		require.ErrorIs(t, b.Load(bad.key, []byte("\x00v")), bad.want, "%x", bad.key)
	}
	require.ErrorIs(t, b.Load(key(1, "value", row), nil), state.ErrCorrupt)
	require.True(t, b.Empty())
	require.NoError(t, b.Load(key(1, "value", row), []byte("\x00v")))
	require.NoError(t, k.SetKeyAndGroup("k", 1))
	got, _, err := valueOn(t, k).Get()
	require.NoError(t, err)
	require.Equal(t, "v", got)
}

// The cost of loading a row does not depend on the state of the previous row.
func TestLoadingDoesNotCostByTheNumberOfStates(t *testing.T) {
	const states, rows = 1000, 2000
	b, k := backendOn(t, newFS(), Options{Options: oneGroup()})
	for i := range states {
		_, err := state.ValueOf(k, state.ValueDescriptor[string]{Name: fmt.Sprint("state ", i), Codec: codec.String[string]()})
		require.NoError(t, err)
	}
	var keys [][]byte
	for i := range rows {
		id := backend.IDOf(fmt.Sprint("state ", i%states))
		keys = append(keys, append(backend.AppendHeader(nil, 0, id), fmt.Sprint(i, "\x00\x01\x00\x01")...))
	}
	require.NoError(t, b.Load(keys[0], []byte("value"))) // makes the tree
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, key := range keys {
		if err := b.Load(key, []byte("value")); err != nil {
			require.NoError(t, err)
		}
	}
	runtime.ReadMemStats(&after)
	require.Less(t, (after.TotalAlloc-before.TotalAlloc)/rows, uint64(4<<10), "bytes a row")
}

// A row of a list has up to 1 MiB of elements, or one larger element alone. So the largest element
// fits into a row of the portable format, whatever else one call adds.
func TestLargeElementsOfAListHaveRowsOfTheirOwn(t *testing.T) {
	small, large := strings.Repeat("s", rowBytes/3), strings.Repeat("l", 2*rowBytes)
	elements := []string{small, large, small, small, small, small, large, large, "last"}
	b, k := backendOn(t, newFS(), Options{})
	require.NoError(t, k.SetKey("k"))
	require.NoError(t, listOn(t, k).AddAll(elements))
	list, err := listOn(t, k).Get()
	require.NoError(t, err)
	require.Equal(t, elements, list)
	v := view1(t, b)
	defer v.Close()
	rows := rowsOf(t, v)
	for _, row := range rows {
		if len(row[1]) > rowBytes {
			require.Less(t, len(row[1]), len(large)+10)
		}
	}
	require.Len(t, rows, 7)
}

// Keys of the maximum size are legal in every state, although the tree adds a suffix to those of lists
// and the section and timestamp to those of timers.
func TestKeysOfMaximumSizeAreStored(t *testing.T) {
	const limit = 100
	o := Options{tune: func(o *lsm.Options) { o.MaxKeySize = limit + lsm.KeyRoom }}
	o.Limits.MaxKeySize = limit
	_, k := backendOn(t, newFS(), o)
	ofKey := strings.Repeat("k", limit-backend.HeaderSize-4) // key and namespace each end with a mark of two bytes
	require.NoError(t, k.SetKey(ofKey))
	require.NoError(t, valueOn(t, k).Set("v"))
	require.NoError(t, listOn(t, k).AddAll([]string{"a", "b"}))
	list, err := listOn(t, k).Get()
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b"}, list)
	var size *backend.SizeError
	require.ErrorAs(t, k.SetKey(ofKey+"k"), &size)
	require.Equal(t, &backend.SizeError{Of: backend.ErrKeyTooLarge, Size: limit + 1, Limit: limit}, size)

	require.NoError(t, k.SetKey(ofKey[backend.TimeSize:]))
	timers := timersOn(t, k)
	require.NoError(t, timers.Register(state.EventTime, 1, nil))
	require.Len(t, fire(t, timers, 1), 1)
	require.NoError(t, k.SetKey(ofKey[backend.TimeSize-1:]))
	require.ErrorIs(t, timers.Register(state.EventTime, 1, nil), backend.ErrKeyTooLarge)
}

// A closed cursor is reused by the next scan, with the memory of its iterator. Open cursors are not.
func TestClosedCursorsAreReused(t *testing.T) {
	b, keyed := backendOn(t, newFS(), Options{})
	m, err := state.MapOf(keyed, state.MapDescriptor[int64, int64]{Name: "map", Key: codec.Int[int64](), Value: codec.Int[int64]()})
	require.NoError(t, err)
	for _, key := range []string{"a", "b"} {
		require.NoError(t, keyed.SetKey(key))
		for i := range int64(3) {
			require.NoError(t, m.Put(i, i))
		}
	}
	visited := 0
	for e, err := range m.All() { // nested loops over two maps, one of which ends early
		require.NoError(t, err)
		require.NoError(t, keyed.SetKey("a"))
		for f, err := range m.From(e.Key) {
			require.NoError(t, err)
			visited += int(f.Key + 1)
			if f.Key == 1 {
				break
			}
		}
		require.NoError(t, keyed.SetKey("b"))
		require.Len(t, b.cursors, 1)
		require.Len(t, b.idleCursors, 1)
	}
	require.Equal(t, 1+2+2+3, visited)
	require.Empty(t, b.cursors)
	require.Len(t, b.idleCursors, 2)

	c := b.ScanPrefix(nil, nil)
	require.NoError(t, c.Close())
	require.NoError(t, c.Close(), "a second Close does nothing")
	require.Empty(t, b.cursors)
	require.Len(t, b.idleCursors, 2)
}
