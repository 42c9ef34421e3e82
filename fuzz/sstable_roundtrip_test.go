package fuzz

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/slab"
	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/sstable"
	"github.com/weirstate/weir/vfs/vfstest"
)

// FuzzSstableRoundTrip writes random entries and ranges with random options, and reads them.
func FuzzSstableRoundTrip(f *testing.F) {
	seed(f, "empty", []byte{})
	seed(f, "few", []byte("\x00\x00\x00\x00\x01a\x00\x01\x02a:\x00\x00\x02a:\x05value\x02\x01b\x03xyz"))
	for i := range uint64(8) {
		seed(f, fmt.Sprint("random ", i), randomBytes(i, 400))
	}
	f.Fuzz(func(t *testing.T, choices []byte) {
		in := input{choices}
		o := sstable.WriterOptions{
			Compression: sstable.Compression(in.choice(3)), BlockBytes: 1 + 20*in.choice(40),
			FilterBits: in.choice(24) - 1, LargeBytes: int64(in.choice(60)), Split: tableSplit,
		}
		entries, ranges := tableContent(&in)
		file, err := vfstest.NewMem(vfstest.MemOptions{}).Create("table")
		require.NoError(t, err)
		w := sstable.NewWriter(file, o)
		for i := range entries {
			require.NoError(t, w.Add(&entries[i]))
		}
		for _, r := range ranges {
			require.NoError(t, w.AddRange(r))
		}
		info, err := w.Finish()
		require.NoError(t, err)
		budget := slab.NewBudget(0)
		cache := sstable.NewCache(budget, 512)
		defer cache.Close()
		table, err := sstable.Open(file, sstable.ReaderOptions{
			Budget: budget, Cache: cache, Lock: &sstable.CacheLock{Mutex: new(sync.Mutex)},
			Split: tableSplit, Identity: info.Identity, Size: info.Size,
		})
		require.NoError(t, err)
		require.NoError(t, table.Verify(context.Background(), nil))
		require.Equal(t, len(ranges), len(table.Ranges()))
		it := table.Iterator(sstable.IteratorOptions{Cached: in.choice(2) == 0})
		for i := range entries {
			require.True(t, it.Next())
			requireTableEntry(t, &entries[i], it.Entry())
			requireTableGet(t, table, entries, ranges, entries[i].Key)
			requireTableGet(t, table, entries, ranges, append(bytes.Clone(entries[i].Key), 'a'))
		}
		require.False(t, it.Next())
		require.NoError(t, it.Err())
		require.NoError(t, table.Close())
	})
}

// tableContent returns random entries in order, and ranges.
func tableContent(in *input) (entries []run.Entry, ranges run.Ranges) {
	for in.more() {
		kind := run.Kind(in.choice(5))
		key := in.bytes(12)
		switch {
		case !kind.Valid():
			ranges.Add(run.Range{From: key, To: in.bytes(12)})
		case kind == run.DeletePrefix:
			entries = append(entries, run.Entry{Key: key[:tableSplit.Func(key)], Kind: kind})
		case kind.HasValue():
			entries = append(entries, run.Entry{Key: key, Kind: kind, Value: run.Value{Bytes: in.bytes(120)}})
		default:
			entries = append(entries, run.Entry{Key: key, Kind: kind})
		}
	}
	place := func(e run.Entry) string {
		if e.Kind == run.DeletePrefix {
			return string(e.Key) + "\x00"
		}
		return string(e.Key) + "\x00\x00"
	}
	order := func(a, b run.Entry) int {
		if c := bytes.Compare(a.Key, b.Key); c != 0 {
			return c
		}
		return strings.Compare(place(a), place(b))
	}
	slices.SortStableFunc(entries, order)
	entries = slices.CompactFunc(entries, func(a, b run.Entry) bool { return order(a, b) == 0 })
	return entries, ranges
}

func requireTableEntry(t *testing.T, want, got *run.Entry) {
	require.Equal(t, want.Kind, got.Kind)
	require.True(t, bytes.Equal(want.Key, got.Key))
	value, err := got.Value.AppendTo(nil)
	require.NoError(t, err)
	require.True(t, bytes.Equal(want.Value.Bytes, value))
}

// requireTableGet compares Get with a search of all entries.
func requireTableGet(t *testing.T, table *sstable.Table, entries []run.Entry, ranges run.Ranges, key []byte) {
	var p run.LookupKey
	var f, want run.Lookup
	tableSplit.Prepare(&p, key)
	wantLast := ranges.Covers(key)
	for _, e := range entries {
		if e.Kind == run.DeletePrefix {
			wantLast = wantLast || bytes.Equal(e.Key, p.Prefix())
		} else if bytes.Equal(e.Key, key) {
			wantLast = want.Add(e.Kind, e.Value) || wantLast
		}
	}
	last, err := table.Get(&p, &f)
	require.NoError(t, err)
	require.Equal(t, wantLast, last)
	require.Equal(t, want.Exists(), f.Exists())
	wantBytes, err := want.AppendTo(nil)
	require.NoError(t, err)
	got, err := f.AppendTo(nil)
	require.NoError(t, err)
	require.True(t, bytes.Equal(wantBytes, got))
}
