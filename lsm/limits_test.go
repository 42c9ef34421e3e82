package lsm

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
	"os"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/density"
	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/sstable"
	"github.com/weirstate/weir/vfs/vfstest"
)

// limits holds pairs of limits. Entries of the small size fit into memtables; entries of the large size
// are written as runs of their own.
var limits = map[string]struct{ key, value int64 }{
	"small": {11, 40},
	"large": {300 << 10, 300 << 10},
}

var allLogModes = []LogMode{LogOff, LogBuffered, LogWritten, LogSynced}

// sized returns a key or a value of size bytes.
func sized(size int64, with byte) []byte { return bytes.Repeat([]byte{with}, int(size)) }

// writePaths holds all calls that write a key, or a key and a value.
var writePaths = map[string]struct {
	write    func(db *DB, key, value []byte) error
	hasValue bool
}{
	"Put":                {(*DB).Put, true},
	"Append":             {(*DB).Append, true},
	"Delete":             {func(db *DB, key, _ []byte) error { return db.Delete(key) }, false},
	"DeletePrefix":       {func(db *DB, key, _ []byte) error { return db.DeletePrefix(key) }, false},
	"Batch.Put":          {inBatch(func(b *Batch, key, value []byte) { b.Put(key, value) }), true},
	"Batch.Append":       {inBatch(func(b *Batch, key, value []byte) { b.Append(key, value) }), true},
	"Batch.Delete":       {inBatch(func(b *Batch, key, _ []byte) { b.Delete(key) }), false},
	"Batch.DeletePrefix": {inBatch(func(b *Batch, key, _ []byte) { b.DeletePrefix(key) }), false},
}

// inBatch returns a write of a batch that has the operation between two others.
func inBatch(add func(b *Batch, key, value []byte)) func(db *DB, key, value []byte) error {
	return func(db *DB, key, value []byte) error {
		var b Batch
		b.Put([]byte("first"), []byte("of a batch"))
		add(&b, key, value)
		b.Put([]byte("last"), []byte("of a batch"))
		return db.Apply(&b)
	}
}

// requireSizeError requires a SizeError with this size and limit. kind is "key" or "value".
func requireSizeError(t *testing.T, err error, kind string, size, limit int64) {
	t.Helper()
	require.ErrorIs(t, err, ErrTooLarge)
	var sizes *SizeError
	require.ErrorAs(t, err, &sizes)
	require.Equal(t, &SizeError{kind, size, limit}, sizes)
}

func TestLimitsAreExactOnEveryPath(t *testing.T) {
	for size, limit := range limits {
		for _, mode := range allLogModes {
			for name, path := range writePaths {
				t.Run(fmt.Sprint(size, mode, name), func(t *testing.T) {
					o := &Options{
						FS: vfstest.NewMem(vfstest.MemOptions{}), Log: mode, Budget: goldenBudget(t),
						MaxKeySize: limit.key, MaxValueSize: limit.value,
					}
					db, err := Open(context.Background(), "db", *o)
					require.NoError(t, err)
					key, value := sized(limit.key, 'k'), sized(limit.value, 'v')
					want := map[string]string{"other": "value", string(key): ""}
					require.NoError(t, db.Put([]byte("other"), []byte("value")))
					require.NoError(t, db.Put(key, nil))

					err = path.write(db, append(key, 'k'), nil)
					requireSizeError(t, err, "key", limit.key+1, limit.key)
					if path.hasValue {
						err = path.write(db, []byte("other"), append(value, 'v'))
						requireSizeError(t, err, "value", limit.value+1, limit.value)
					}
					requireContent(t, db, want)
					_, found, err := db.Get(append(key, 'k'), nil)
					require.NoError(t, err)
					require.False(t, found)

					require.NoError(t, path.write(db, key, value))
					delete(want, string(key))
					if path.hasValue {
						want[string(key)] = string(value)
					}
					if strings.HasPrefix(name, "Batch") {
						want["first"], want["last"] = "of a batch", "of a batch"
					}
					requireContent(t, db, want)
					for range 2 {
						require.NoError(t, db.Close())
						db, err = Open(context.Background(), "db", *o)
						require.NoError(t, err)
						requireContent(t, db, want)
						require.NoError(t, db.Compact(context.Background()))
					}
					require.NoError(t, db.Close())
				})
			}
		}
	}
}

// outgrown holds ways to make a value larger than the limit by appends.
var outgrown = map[string]func(db *DB, key, piece []byte) error{
	"one by one": func(db *DB, key, piece []byte) error {
		return errors.Join(db.Append(key, piece), db.Append(key, piece), db.Append(key, piece))
	},
	"in runs": func(db *DB, key, piece []byte) error {
		return errors.Join(db.Put(key, piece), db.Seal(), db.Append(key, piece), db.Flush(context.Background()), db.Append(key, piece))
	},
	"in a batch": func(db *DB, key, piece []byte) error {
		var b Batch
		b.Put(key, piece)
		b.Append(key, piece)
		b.Append(key, piece)
		return db.Apply(&b)
	},
}

func TestOutgrownValuesAreReadableOnlyAsStreams(t *testing.T) {
	for size, limit := range limits {
		for _, mode := range allLogModes {
			for name, grow := range outgrown {
				t.Run(fmt.Sprint(size, mode, name), func(t *testing.T) {
					o := &Options{FS: vfstest.NewMem(vfstest.MemOptions{}), Log: mode, Budget: goldenBudget(t), MaxValueSize: limit.value}
					db, err := Open(context.Background(), "db", *o)
					require.NoError(t, err)
					key, piece := []byte("key"), sized(limit.value/2, 'v')
					require.NoError(t, db.Put(key, piece))
					require.NoError(t, db.Append(key, piece))
					require.NoError(t, db.Put([]byte("other"), []byte("value")))
					requireContent(t, db, map[string]string{"key": string(piece) + string(piece), "other": "value"})
					require.NoError(t, db.Delete(key))

					require.NoError(t, grow(db, key, piece))
					want := bytes.Repeat(piece, 3)
					requireOutgrown(t, db, key, want, limit.value)
					require.NoError(t, db.Flush(context.Background()))
					requireOutgrown(t, db, key, want, limit.value)
					for range 2 {
						require.NoError(t, db.Close())
						db, err = Open(context.Background(), "db", *o)
						require.NoError(t, err)
						requireOutgrown(t, db, key, want, limit.value)
						require.NoError(t, db.Compact(context.Background()))
						requireOutgrown(t, db, key, want, limit.value)
					}
					require.NoError(t, db.Append(key, piece))
					requireOutgrown(t, db, key, append(want, piece...), limit.value)
					require.NoError(t, db.Put(key, piece))
					requireContent(t, db, map[string]string{"key": string(piece), "other": "value"})
					require.NoError(t, db.Close())
				})
			}
		}
	}
}

// requireOutgrown reads a value above the limit by all methods. Streams must return it; all other reads
// must return a SizeError.
func requireOutgrown(t *testing.T, db *DB, key, want []byte, limit int64) {
	t.Helper()
	size := int64(len(want))
	tooLarge := func(value []byte, err error) {
		t.Helper()
		require.Empty(t, value)
		requireSizeError(t, err, "value", size, limit)
	}
	equal := func(r io.Reader) {
		t.Helper()
		got, err := io.ReadAll(r)
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, got), "read %d bytes, want %d", len(got), size)
	}
	value, _, err := db.Get(key, nil)
	tooLarge(value, err)
	value, _, err = db.Peek(key)
	tooLarge(value, err)
	value, _, err = db.Get([]byte("other"), nil)
	require.NoError(t, err)
	require.Equal(t, "value", string(value))

	v, err := db.View()
	require.NoError(t, err)
	value, _, err = v.Get(key, nil)
	tooLarge(value, err)
	for _, stream := range []func([]byte) (io.ReadCloser, int64, bool, error){db.Stream, v.Stream} {
		r, n, found, err := stream(key)
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, size, n)
		equal(r)
		require.NoError(t, r.Close())
	}
	it, err := v.Iterator(nil, nil)
	require.NoError(t, err)
	require.True(t, it.Next())
	tooLarge(it.Value())
	require.Equal(t, size, it.ValueSize())
	equal(it.ValueReader())
	require.True(t, it.Next())
	value, err = it.Value()
	require.NoError(t, err)
	require.Equal(t, "value", string(value))
	require.NoError(t, it.Close())
	require.NoError(t, v.Close())

	live, err := db.Prefix(key)
	require.NoError(t, err)
	require.True(t, live.Next())
	tooLarge(live.Value())
	require.Equal(t, size, live.ValueSize())
	require.False(t, live.Next())
	require.NoError(t, live.Err())
	require.NoError(t, live.Close())
}

// border is the largest size of keys and values: 2^31 bytes. It is a variable because the constant does
// not fit into an int of 32 bits.
var border = int64(1) << 31

// openAtTheBorder opens a store on the disk and returns border+1 bytes. It skips the test if the machine
// has too little memory.
func openAtTheBorder(t *testing.T) (db *DB, dir string, long []byte) {
	t.Helper()
	const needed = 16 << 30
	density.InCampaigns(t)
	available := availableMemory()
	switch {
	case modelUnderRace:
		t.Skip("the race detector needs too much memory for 2 GiB")
	case bits.UintSize < 64:
		t.Skip("a 32-bit system cannot hold a key of 2 GiB")
	case available < needed:
		t.Skipf("the test needs %d bytes of memory, but %d are available", int64(needed), available)
	}
	// Collect garbage early, because each garbage buffer has 2 GiB.
	percent := debug.SetGCPercent(5)
	t.Cleanup(func() {
		debug.SetGCPercent(percent)
		debug.FreeOSMemory()
	})
	dir = t.TempDir()
	db = openOnDisk(t, dir)
	long = make([]byte, border+1)
	for i := range long {
		long[i] = byte(i >> 20)
	}
	return db, dir, long
}

func openOnDisk(t *testing.T, dir string) *DB {
	t.Helper()
	db, err := Open(context.Background(), dir, Options{Log: LogSynced})
	require.NoError(t, err)
	return db
}

func TestLimitOfValueSizesIsExact(t *testing.T) {
	db, dir, long := openAtTheBorder(t)
	exact := long[:border:border]
	key := []byte("a")
	requireSizeError(t, db.Put(key, long), "value", border+1, border)
	requireSizeError(t, db.Append(key, long), "value", border+1, border)
	var b Batch
	b.Put(key, long)
	requireSizeError(t, db.Apply(&b), "value", border+1, border)

	require.NoError(t, db.Put(key, exact))
	requireWhole(t, db, key, exact)
	require.NoError(t, db.Append(key, long[border:])) // exceeds the limit by one byte
	requireLong(t, db, key, long)
	require.NoError(t, db.Close())
	db = openOnDisk(t, dir)
	require.NoError(t, db.Compact(context.Background()))
	requireLong(t, db, key, long)
	require.NoError(t, db.Put(key, exact))
	require.NoError(t, db.Close())
	db = openOnDisk(t, dir)
	requireWhole(t, db, key, exact)
	require.NoError(t, db.Close())
}

func TestLimitOfKeySizesIsExact(t *testing.T) {
	db, dir, long := openAtTheBorder(t)
	exact := long[:border:border]
	value := []byte("value")
	requireSizeError(t, db.Put(long, value), "key", border+1, border)
	requireSizeError(t, db.Append(long, value), "key", border+1, border)
	requireSizeError(t, db.Delete(long), "key", border+1, border)
	var b Batch
	b.Put(long, value)
	requireSizeError(t, db.Apply(&b), "key", border+1, border)

	require.NoError(t, db.Put(exact, value))
	requireWhole(t, db, exact, value)
	require.NoError(t, db.Close())
	db = openOnDisk(t, dir)
	requireWhole(t, db, exact, value)
	require.NoError(t, db.Close())
}

func requireWhole(t *testing.T, db *DB, key, want []byte) {
	t.Helper()
	got, found, err := db.Get(key, nil)
	require.NoError(t, err)
	require.True(t, found && bytes.Equal(want, got))
}

// requireLong requires that Stream returns a value of border+1 bytes, and that Get and Peek return a
// SizeError.
func requireLong(t *testing.T, db *DB, key, want []byte) {
	t.Helper()
	limit := MaxValueSize
	_, _, err := db.Get(key, nil)
	requireSizeError(t, err, "value", limit+1, limit)
	_, _, err = db.Peek(key)
	requireSizeError(t, err, "value", limit+1, limit)
	r, size, found, err := db.Stream(key)
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, limit+1, size)
	piece := make([]byte, 1<<20)
	for len(want) > 0 {
		n, err := io.ReadFull(r, piece)
		require.True(t, err == nil || err == io.ErrUnexpectedEOF)
		require.True(t, bytes.Equal(want[:n], piece[:n]))
		want = want[n:]
	}
	n, err := r.Read(piece)
	require.Zero(t, n)
	require.Equal(t, io.EOF, err)
	require.NoError(t, r.Close())
}

// availableMemory returns the available memory in bytes, or 0 if it is unknown.
func availableMemory() (n int64) {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if _, err := fmt.Sscanf(lines.Text(), "MemAvailable: %d kB", &n); err == nil {
			return n << 10
		}
	}
	return 0
}

// A table accepts the longest keys that options allow, and no longer keys. The writer checks the order of
// keys after all limits and by their first bytes. So ErrOrder shows that the size is valid, and the
// test does not touch the memory of the key.
func TestTablesAcceptKeysUpToTheHighestLimit(t *testing.T) {
	if modelUnderRace || highestKeySize >= math.MaxInt {
		t.Skip("the race detector touches all memory of the key, or an int of 32 bits cannot hold its size")
	}
	for excess, want := range map[int64]error{0: sstable.ErrOrder, 1: sstable.ErrTooLarge} {
		f, err := vfstest.NewMem(vfstest.MemOptions{}).Create("table")
		require.NoError(t, err)
		w := sstable.NewWriter(f, sstable.WriterOptions{Split: WholeKey})
		require.NoError(t, w.Add(&run.Entry{Key: []byte("k"), Kind: run.Delete}))
		key := make([]byte, highestKeySize+excess)
		require.ErrorIs(t, w.Add(&run.Entry{Key: key, Kind: run.Delete}), want)
		require.NoError(t, f.Close())
	}
}
