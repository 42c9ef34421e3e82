package fuzz

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/bits"
	"sync"
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/slab"
	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/sstable"
	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

// This file builds tables from arbitrary parts, with correct checksums, by
// docs/format-sstable.md.

const (
	tableHeaderBytes = 40
	tableFooterBytes = 48
)

var tableSplit = run.Split{Name: "colon", Func: func(key []byte) int {
	if i := bytes.IndexByte(key, ':'); i >= 0 {
		return i + 1
	}
	return len(key)
}}

// setTableChecksum sets the checksum of the block at from to to.
func setTableChecksum(file []byte, from, to int) {
	place := append(bytes.Clone(file[16:32]), binary.BigEndian.AppendUint64(nil, uint64(from))...)
	binary.BigEndian.PutUint64(file[to-8:], xxhash.Sum64(file[from:to-8])^xxhash.Sum64(place))
}

// tableParts are the raw parts of a file. A nil part is replaced by one that matches the others.
type tableParts struct {
	blocks            [][]byte
	filter            []byte
	probes            byte
	index, properties []byte
	ranges            []byte
	entries           int
}

func (p *tableParts) file() []byte {
	file := append([]byte("WEIRSSTB\x00\x01\x00\x00\x00\x00\x00\x00identityidentity"), make([]byte, 8)...)
	binary.BigEndian.PutUint64(file[32:], xxhash.Sum64(file[:32]))
	put := func(raw []byte) (bytes uint64) {
		from := len(file)
		file = append(file, raw...)
		file = binary.BigEndian.AppendUint64(file, uint64(len(raw)))
		file = append(file, make([]byte, 8)...)
		setTableChecksum(file, from, len(file))
		return uint64(len(file) - from)
	}
	var offsets, sizes []byte
	for _, raw := range p.blocks {
		offsets = binary.BigEndian.AppendUint64(offsets, uint64(len(file)))
		sizes = binary.BigEndian.AppendUint64(sizes, put(raw))
	}
	index, properties := p.index, p.properties
	if index == nil && len(p.blocks) < 2 {
		index = append(binary.BigEndian.AppendUint64(nil, uint64(len(p.blocks))), make([]byte, 8)...)
		index = append(append(index, offsets...), sizes...)
	}
	if properties == nil {
		properties = append([]byte("\x05colon"), p.probes)
		properties = binary.AppendUvarint(properties, uint64(p.entries))
		properties = append(properties, 0, 0, 0, 0, 0, 0, 0)
	}
	var footer []byte
	for i, raw := range [][]byte{p.filter, index, p.ranges, properties} {
		var size uint64
		if raw != nil || i%2 == 1 {
			size = put(raw)
		}
		footer = binary.BigEndian.AppendUint64(footer, size)
	}
	file = append(append(file, footer...), make([]byte, 8)...)
	setTableChecksum(file, len(file)-tableFooterBytes+8, len(file))
	return append(file, "WEIRSSTE"...)
}

// tableWithChecksums returns b with correct checksums of all blocks that it can find.
func tableWithChecksums(b []byte) []byte {
	end := len(b) - tableFooterBytes
	if end < tableHeaderBytes {
		return b
	}
	b = bytes.Clone(b)
	binary.BigEndian.PutUint64(b[32:], xxhash.Sum64(b[:32]))
	setTableChecksum(b, end, len(b)-8)
	at := end
	for i := 3; i >= 0; i-- {
		size := binary.BigEndian.Uint64(b[end+8*i:])
		if size > uint64(at-tableHeaderBytes) {
			return b
		}
		from := at - int(size)
		if size >= 16 {
			if i == 1 {
				setBlockChecksums(b, b[from:at-16])
			}
			setTableChecksum(b, from, at)
		}
		at = from
	}
	return b
}

// setBlockChecksums sets the checksums of the blocks in an index.
func setBlockChecksums(b, index []byte) {
	if len(index) < 16 {
		return
	}
	n, prefix := binary.BigEndian.Uint64(index), binary.BigEndian.Uint64(index[8:])
	if n == 0 || n > uint64(len(index))/16 || prefix > uint64(len(index)) {
		return
	}
	from := 16 + prefix + 16*(n-1)
	if from+16*n > uint64(len(index)) {
		return
	}
	for i := range n {
		offset := binary.BigEndian.Uint64(index[from+8*i:])
		size := binary.BigEndian.Uint64(index[from+8*n+8*i:])
		if size >= 16 && offset >= tableHeaderBytes && offset <= uint64(len(b)) && size <= uint64(len(b))-offset {
			setTableChecksum(b, int(offset), int(offset+size))
		}
	}
}

func tableFile(t testing.TB, data []byte) vfs.File {
	t.Helper()
	f, err := vfstest.NewMem(vfstest.MemOptions{}).Create("table")
	require.NoError(t, err)
	_, err = f.Write(data)
	require.NoError(t, err)
	return f
}

// exerciseTable calls every method of a table on data. None may panic. If Verify finds no
// error, Get must return every entry of the iterator.
func exerciseTable(t *testing.T, data []byte) {
	t.Helper()
	budget := slab.NewBudget(0)
	cache := sstable.NewCache(budget, 0)
	owner := &sstable.CacheLock{Mutex: new(sync.Mutex)}
	took := allocatedBytes(func() {
		exerciseTableWith(t, data, sstable.ReaderOptions{Budget: budget, Split: tableSplit})
		exerciseTableWith(t, data, sstable.ReaderOptions{Budget: budget, Split: tableSplit, Cache: cache, Lock: owner})
	})
	if limit := 64<<20 + 64*uint64(len(data)); took > limit {
		t.Fatalf("a table of %d bytes allocates %d", len(data), took)
	}
	cache.Close()
	require.Zero(t, budget.Used())
}

// isExpected returns whether err is nil, and fails the test for an error of another type.
func isExpected(t *testing.T, err error) bool {
	t.Helper()
	if err != nil && !errors.Is(err, sstable.ErrCorrupt) && !errors.Is(err, sstable.ErrVersion) && !errors.Is(err, sstable.ErrSplit) {
		t.Fatalf("%T %v", err, err)
	}
	return err == nil
}

func exerciseTableWith(t *testing.T, data []byte, o sstable.ReaderOptions) {
	table, err := sstable.Open(tableFile(t, data), o)
	if !isExpected(t, err) {
		return
	}
	defer func() { require.NoError(t, table.Close()) }()
	sound := isExpected(t, table.Verify(context.Background(), nil))
	it := table.Iterator(sstable.IteratorOptions{Cached: o.Cache != nil, Readahead: 1000})
	var p run.LookupKey
	var f run.Lookup
	get := func(key []byte) error {
		tableSplit.Prepare(&p, key)
		f.Reset()
		_, err := table.Get(&p, &f)
		isExpected(t, err)
		_, hidesErr := table.Hides(&p)
		isExpected(t, hidesErr)
		return err
	}
	for _, key := range []string{"", "a", "a:", "a:b", "\xff"} {
		if get([]byte(key)) == nil {
			_, err := io.Copy(io.Discard, io.LimitReader(f.Reader(), 1<<20))
			isExpected(t, err)
		}
		it.Seek([]byte(key))
		it.Next()
	}
	isExpected(t, it.Err())
	it.Reset(table, sstable.IteratorOptions{Cached: o.Cache != nil, Readahead: 1000})
	for n := 0; n < 1000 && it.Next(); n++ {
		e := it.Entry()
		err := get(e.Key)
		if !sound {
			continue
		}
		require.NoError(t, err)
		require.True(t, table.MayHold(&p))
		if e.Kind == run.DeletePrefix {
			hides, err := table.Hides(&p)
			require.NoError(t, err)
			require.True(t, hides || table.Info().Tombstones == 0 || tableSplit.Func(e.Key) < len(e.Key))
			continue
		}
		require.Equal(t, e.Kind.HasValue(), f.Exists())
		require.Equal(t, e.Value.Size(), f.Size())
	}
	if sound {
		require.NoError(t, it.Err())
	}
	isExpected(t, it.Err())
}

// buildBlock returns a data block of entries, which should be in order, without a common prefix.
func buildBlock(entries ...run.Entry) []byte {
	var raw []byte
	var offsets []int
	for _, e := range entries {
		offsets = append(offsets, len(raw))
		raw = append(raw, byte(e.Kind))
		raw = binary.AppendUvarint(raw, uint64(len(e.Key)))
		raw = binary.AppendUvarint(raw, uint64(len(e.Value.Bytes)))
		raw = append(append(raw, e.Key...), e.Value.Bytes...)
	}
	k := bits.Len(uint(len(raw)))
	buckets := make([]uint16, len(entries)+len(entries)/3+1)
	for i, e := range entries {
		h := run.Hash(e.Key)
		if e.Kind == run.DeletePrefix {
			h ^= 0x9E3779B97F4A7C15
		}
		at := int(uint64(uint32(h)) * uint64(len(buckets)) >> 32)
		for buckets[at] != 0 {
			at = (at + 1) % len(buckets)
		}
		buckets[at] = uint16(offsets[i]+1) | uint16(h>>32)<<k
	}
	for _, o := range offsets {
		raw = binary.BigEndian.AppendUint16(raw, uint16(o))
	}
	for _, b := range buckets {
		raw = binary.BigEndian.AppendUint16(raw, b)
	}
	return binary.BigEndian.AppendUint16(append(raw, 0, 0, 0, 0), uint16(len(entries)))
}
