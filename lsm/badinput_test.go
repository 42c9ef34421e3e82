package lsm

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io/fs"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/vfs"
	"github.com/weirstate/weir/wal"
)

// What cannot be opened, used or restored is a typed error, and loses nothing.

// badFile is a file of a store that holds something else, or is missing.
type badFile struct {
	name    string
	content []byte // nil if it is missing
}

// replace puts content in the place of a file, and returns what was there.
func replace(t *testing.T, fsys vfs.FS, f badFile) badFile {
	t.Helper()
	before, err := readFile(fsys, f.name, 1<<20)
	if err == nil {
		require.NoError(t, fsys.Remove(f.name))
	} else {
		require.ErrorIs(t, err, fs.ErrNotExist)
		before = nil
	}
	if f.content != nil {
		writeFile(t, fsys, f.name, f.content)
	}
	return badFile{f.name, before}
}

// storeNames are the files of the store db, those of a kind.
func storeNames(t *testing.T, fsys vfs.FS, kinds ...fileKind) (names []string) {
	t.Helper()
	all, err := fsys.List("db")
	require.NoError(t, err)
	for _, name := range all {
		for _, kind := range kinds {
			if kindOfFile(name) == kind {
				names = append(names, "db/"+name)
			}
		}
	}
	require.NotEmpty(t, names)
	return names
}

// requireLosesNothing opens a store with one bad file, and again with the good
// one.
func requireLosesNothing(t *testing.T, store string, bad badFile, want error) {
	t.Helper()
	mem := vfs.NewMem(vfs.MemOptions{})
	copyFiles(t, mem, "db", vfs.Real{}, filepath.Join("testdata", store))
	good := replace(t, mem, bad)
	o := goldenOptions(mem, LogOff)
	report, err := Check(t.Context(), "db", o)
	require.ErrorIs(t, err, want, "%s", bad.name)
	require.Equal(t, filepath.Base(bad.name), report.Problems[0].File)
	for range 2 {
		_, err := Open("db", o)
		require.ErrorIs(t, err, want, "%s", bad.name)
	}
	replace(t, mem, good)
	if strings.HasSuffix(bad.name, currentName) || strings.Contains(bad.name, manifestPrefix) {
		_, err := Check(t.Context(), "db", o)
		require.NoError(t, err)
	}
	db, err := Open("db", o)
	require.NoError(t, err, "%s", bad.name)
	requireContent(t, db, goldenStores[store].want())
	require.NoError(t, db.Close())
}

func TestHalfDeletedStoresAreCorrupt(t *testing.T) {
	for store := range goldenStores {
		mem := vfs.NewMem(vfs.MemOptions{})
		copyFiles(t, mem, "db", vfs.Real{}, filepath.Join("testdata", store))
		kinds := []fileKind{currentFile, manifestFile, tableFile}
		if store == "v1-open" {
			kinds = append(kinds, logFile)
		}
		for _, name := range storeNames(t, mem, kinds...) {
			requireLosesNothing(t, store, badFile{name: name}, ErrCorrupt)
			if kindOfFile(filepath.Base(name)) != logFile { // a crash may leave that
				requireLosesNothing(t, store, badFile{name, []byte{}}, ErrCorrupt)
				requireLosesNothing(t, store, badFile{name, []byte("something else, of more bytes than a header has")}, ErrCorrupt)
			}
		}
	}
}

// ofVersion2 makes a header say so, with a checksum that is right.
func ofVersion2(content []byte, sumAt int) []byte {
	b := bytes.Clone(content)
	binary.BigEndian.PutUint16(b[8:], 2)
	binary.BigEndian.PutUint64(b[sumAt:], xxhash.Sum64(b[:sumAt]))
	return b
}

func TestLaterFormatsAreRefused(t *testing.T) {
	mem := vfs.NewMem(vfs.MemOptions{})
	copyFiles(t, mem, "db", vfs.Real{}, filepath.Join("testdata", "v1-open"))
	content := func(name string) []byte {
		b, err := readFile(mem, name, 1<<20)
		require.NoError(t, err)
		return b
	}
	for _, name := range storeNames(t, mem, tableFile) {
		requireLosesNothing(t, "v1-open", badFile{name, ofVersion2(content(name), 32)}, ErrVersion)
	}
	for _, name := range storeNames(t, mem, logFile, manifestFile) {
		requireLosesNothing(t, "v1-open", badFile{name, ofVersion2(content(name), 28)}, ErrVersion)
	}
	// An edit of a later version in a file that is of this one.
	name := storeNames(t, mem, manifestFile)[0]
	var edits [][]byte
	_, err := wal.Read(mem, name, func(r []byte, _ int64) error {
		edits = append(edits, bytes.Clone(r))
		return nil
	})
	require.NoError(t, err)
	for i := range edits {
		edits[i][0] = 2
		require.NoError(t, mem.RemoveAll("other"))
		require.NoError(t, mem.MkdirAll("other"))
		writeRecords(t, mem, "other/"+filepath.Base(name), edits...)
		requireLosesNothing(t, "v1-open", badFile{name, content("other/" + filepath.Base(name))}, ErrVersion)
		edits[i][0] = 1
	}
}

func TestOtherDirectoriesAreNoStores(t *testing.T) {
	mem := vfs.NewMem(vfs.MemOptions{})
	o := goldenOptions(mem, LogOff)
	for _, file := range []string{"photo.jpg", "1.sst", "MANIFEST", "CURRENT.old", "0000001.sst"} {
		require.NoError(t, mem.RemoveAll("db"))
		require.NoError(t, mem.MkdirAll("db"))
		writeFile(t, mem, "db/"+file, []byte("mine"))
		_, err := Open("db", o)
		require.ErrorIs(t, err, ErrNotStore, file)
		_, err = Check(t.Context(), "db", o)
		require.ErrorIs(t, err, ErrNotStore, file)
		require.ErrorIs(t, Restore(t.Context(), "db", nil, o), ErrNotStore, file)
		require.ErrorIs(t, Restore(t.Context(), "to", []Part{{Dir: "db"}}, o), ErrNotStore, file)
		b, err := readFile(mem, "db/"+file, 100)
		require.NoError(t, err)
		require.Equal(t, "mine", string(b))
	}
	_, err := Open("db/0000001.sst", o)
	require.ErrorIs(t, err, syscall.ENOTDIR)
	_, err = Check(t.Context(), "nowhere", o)
	require.Error(t, err)
	require.ErrorIs(t, Restore(t.Context(), "to", []Part{{Dir: "nowhere"}}, o), ErrNotStore)
}

func TestOptionsThatMakeNoSense(t *testing.T) {
	mem := vfs.NewMem(vfs.MemOptions{})
	for name, change := range map[string]func(o *Options){
		"split without a name":     func(o *Options) { o.Split.Name = "" },
		"partitions below zero":    func(o *Options) { o.PartitionBytes = -1 },
		"partitions that are long": func(o *Options) { o.PartitionBytes = 65 },
		"log mode":                 func(o *Options) { o.Log = 3 },
		"small blocks":             func(o *Options) { o.BlockBytes = 511 },
		"large blocks":             func(o *Options) { o.BlockBytes = 1 << 20 },
		"files below zero":         func(o *Options) { o.FileBytes = -1 },
		"memtables below zero":     func(o *Options) { o.MemtableBytes = -1 },
		"budget below zero":        func(o *Options) { o.BudgetBytes = -1 },
		"keys above the limit":     func(o *Options) { o.MaxKeySize = MaxKeySize + 1 },
		"keys below zero":          func(o *Options) { o.MaxKeySize = -1 },
		"values above the limit":   func(o *Options) { o.MaxValueSize = MaxValueSize + 1 },
		"values below zero":        func(o *Options) { o.MaxValueSize = -1 },
		"compression":              func(o *Options) { o.Compression = []Compression{S2, 3} },
	} {
		o := goldenOptions(mem, LogOff)
		change(o)
		_, err := Open("db", o)
		require.ErrorIs(t, err, ErrOption, name)
		_, err = Check(t.Context(), "db", o)
		require.ErrorIs(t, err, ErrOption, name)
		require.ErrorIs(t, Restore(t.Context(), "db", nil, o), ErrOption, name)
	}
	_, err := mem.List("db")
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestOptionsThatCannotChange(t *testing.T) {
	mem := makeClosed(t)
	for name, change := range map[string]func(o *Options){
		"split":      func(o *Options) { o.Split = WholeKey },
		"partitions": func(o *Options) { o.PartitionBytes = 1 },
	} {
		o := goldenOptions(mem, LogOff)
		change(o)
		_, err := Open("db", o)
		require.ErrorIs(t, err, ErrMismatch, name)
		_, err = Check(t.Context(), "db", o)
		require.ErrorIs(t, err, ErrMismatch, name)
		require.ErrorIs(t, Restore(t.Context(), "to", []Part{{Dir: "db"}}, o), ErrMismatch, name)
	}
	db, err := Open("db", goldenOptions(mem, LogOff))
	require.NoError(t, err)
	requireContent(t, db, goldenStores["v1-closed"].want())
	require.NoError(t, db.Close())
}

// readOnly is a disk that can be made read-only.
func readOnly(inner vfs.FS) (disk vfs.FS, on *atomic.Bool) {
	on = new(atomic.Bool)
	return vfs.NewFaulty(inner, vfs.FaultyOptions{Plan: func(c vfs.Call) error {
		if on.Load() && c.Op.Mutates() {
			return syscall.EROFS
		}
		return nil
	}}), on
}

func TestReadOnlyDisksAreTold(t *testing.T) {
	for store, g := range goldenStores {
		mem := vfs.NewMem(vfs.MemOptions{})
		copyFiles(t, mem, "db", vfs.Real{}, filepath.Join("testdata", store))
		disk, on := readOnly(mem)
		on.Store(true)
		for _, mode := range []LogMode{LogOff, LogSynced} {
			_, err := Open("db", goldenOptions(disk, mode))
			require.ErrorIs(t, err, syscall.EROFS)
			_, err = Open("new", goldenOptions(disk, mode))
			require.ErrorIs(t, err, syscall.EROFS)
			require.ErrorIs(t, Restore(t.Context(), "new", nil, goldenOptions(disk, mode)), syscall.EROFS)
		}
		on.Store(false)
		db, err := Open("db", goldenOptions(disk, LogOff))
		require.NoError(t, err)
		requireContent(t, db, g.want())
		require.NoError(t, db.Close())
	}
}

// A disk that becomes read-only while the store is open ends writing at the
// latest when something must be on it; reads go on, and what had returned stays.
func TestDisksThatBecomeReadOnly(t *testing.T) {
	for _, mode := range []LogMode{LogOff, LogBuffered, LogSynced} {
		disk, on := readOnly(vfs.NewMem(vfs.MemOptions{}))
		db, err := Open("db", goldenOptions(disk, mode))
		require.NoError(t, err)
		require.NoError(t, db.Put([]byte("aa:1"), []byte("flushed")))
		require.NoError(t, db.Flush())
		require.NoError(t, db.Put([]byte("aa:2"), []byte("not flushed")))
		on.Store(true)
		want := ErrStalled
		if mode == LogSynced {
			want = ErrFailed
		}
		for range 2 {
			if mode == LogSynced {
				require.ErrorIs(t, db.Put([]byte("aa:3"), nil), ErrFailed)
			}
			err = db.Flush()
			require.ErrorIs(t, err, want)
			require.ErrorIs(t, err, syscall.EROFS)
			require.Error(t, db.Checkpoint(t.Context(), "copy"))
			for key, value := range map[string]string{"aa:1": "flushed", "aa:2": "not flushed"} {
				got, found, err := db.Get([]byte(key), nil)
				require.NoError(t, err)
				require.True(t, found && string(got) == value)
			}
		}
		on.Store(false)
		if mode != LogSynced { // the flusher tries again
			require.NoError(t, db.Flush())
			require.NoError(t, db.Close())
		} else {
			require.ErrorIs(t, db.Close(), ErrFailed)
		}
		db, err = Open("db", goldenOptions(disk, mode))
		require.NoError(t, err)
		got, found, err := db.Get([]byte("aa:1"), nil)
		require.NoError(t, err)
		require.True(t, found && string(got) == "flushed")
		_, found, err = db.Get([]byte("aa:2"), nil)
		require.NoError(t, err)
		require.True(t, found)
		require.NoError(t, db.Close())
	}
}

func TestStoresOutliveWhatCannotBeOpened(t *testing.T) {
	for _, fsys := range []vfs.FS{vfs.NewMem(vfs.MemOptions{}), vfs.Real{}} {
		dir := filepath.Join(t.TempDir(), "db")
		o := goldenOptions(fsys, LogOff)
		db, err := Open(dir, o)
		require.NoError(t, err)
		require.NoError(t, db.Put([]byte("aa:1"), []byte("value")))
		for range 2 {
			_, err = Open(dir, o)
			require.ErrorIs(t, err, ErrLocked)
			_, err = Check(t.Context(), dir, o)
			require.ErrorIs(t, err, ErrLocked)
			require.ErrorIs(t, Restore(t.Context(), dir, nil, o), ErrLocked)
			require.ErrorIs(t, db.Checkpoint(t.Context(), dir), ErrLocked)
		}
		require.NoError(t, db.Put([]byte("aa:2"), []byte("value")))
		require.NoError(t, db.Close())
		db, err = Open(dir, o)
		require.NoError(t, err)
		requireContent(t, db, map[string]string{"aa:1": "value", "aa:2": "value"})
		require.NoError(t, db.Close())
	}
}

// requireMethods sees to it that a test leaves no exported method out.
func requireMethods[T any](t *testing.T, calls map[string]func() error) {
	t.Helper()
	methods := reflect.TypeFor[T]()
	for i := range methods.NumMethod() {
		require.Contains(t, calls, methods.Method(i).Name)
	}
	require.Len(t, calls, methods.NumMethod())
}

func TestEverythingIsClosedAfterClose(t *testing.T) {
	ctx := context.Background()
	for _, mode := range []LogMode{LogOff, LogBuffered, LogSynced} {
		mem := vfs.NewMem(vfs.MemOptions{})
		db, err := Open("db", goldenOptions(mem, mode))
		require.NoError(t, err)
		key, value := []byte("aa:1"), []byte("value")
		require.NoError(t, db.Put(key, value))
		require.NoError(t, db.Put([]byte("aa:2"), value))

		v, err := db.View()
		require.NoError(t, err)
		closedView, err := db.View()
		require.NoError(t, err)
		require.NoError(t, closedView.Close())
		it, err := db.Iterator(nil, nil)
		require.NoError(t, err)
		require.True(t, it.Next())
		closedIterator, err := db.Iterator(nil, nil)
		require.NoError(t, err)
		require.NoError(t, closedIterator.Close())
		live, err := db.Prefix([]byte("aa:"))
		require.NoError(t, err)
		require.True(t, live.Next())

		requireClosedView(ctx, t, closedView)
		requireClosedIterator(t, closedIterator, nil)
		require.ErrorIs(t, db.Close(), ErrOpen)
		requireClosedView(ctx, t, v)
		requireClosedIterator(t, it, key)
		requireClosedIterator(t, live, key)

		var batch Batch
		batch.Put(key, value)
		calls := map[string]func() error{
			"Append":       func() error { return db.Append(key, value) },
			"Apply":        func() error { return db.Apply(&batch) },
			"Checkpoint":   func() error { return db.Checkpoint(ctx, "copy") },
			"Close":        db.Close,
			"Compact":      db.Compact,
			"Delete":       func() error { return db.Delete(key) },
			"DeletePrefix": func() error { return db.DeletePrefix([]byte("aa:")) },
			"DeleteRange":  func() error { return db.DeleteRange(nil, nil) },
			"Flush":        db.Flush,
			"Get":          func() error { _, _, err := db.Get(key, nil); return err },
			"Iterator":     func() error { _, err := db.Iterator(nil, nil); return err },
			"Metrics":      func() error { db.Metrics(); return ErrClosed },
			"Peek":         func() error { _, _, err := db.Peek(key); return err },
			"Prefix":       func() error { _, err := db.Prefix([]byte("aa:")); return err },
			"Put":          func() error { return db.Put(key, value) },
			"Seal":         db.Seal,
			"Stream":       func() error { _, _, _, err := db.Stream(key); return err },
			"View":         func() error { _, err := db.View(); return err },
		}
		requireMethods[*DB](t, calls)
		for name, call := range calls {
			for range 2 {
				require.ErrorIs(t, call(), ErrClosed, name)
			}
		}
		db, err = Open("db", goldenOptions(mem, mode))
		require.NoError(t, err)
		requireContent(t, db, map[string]string{"aa:1": "value", "aa:2": "value"})
		require.NoError(t, db.Close())
	}
}

func requireClosedView(ctx context.Context, t *testing.T, v *View) {
	t.Helper()
	calls := map[string]func() error{
		"Checkpoint": func() error { return v.Checkpoint(ctx, "copy") },
		"Close":      v.Close,
		"Get":        func() error { _, _, err := v.Get([]byte("aa:1"), nil); return err },
		"Iterator":   func() error { _, err := v.Iterator(nil, nil); return err },
		"Stream":     func() error { _, _, _, err := v.Stream([]byte("aa:1")); return err },
	}
	requireMethods[*View](t, calls)
	for name, call := range calls {
		require.ErrorIs(t, call(), ErrClosed, name)
	}
}

// requireClosedIterator uses an iterator that is closed, or whose store is while
// it stands at a key.
func requireClosedIterator(t *testing.T, it *Iterator, key []byte) {
	t.Helper()
	require.Equal(t, key, it.Key())
	calls := map[string]func() error{
		"Next":        func() error { require.False(t, it.Next()); return it.Err() },
		"Seek":        func() error { require.False(t, it.Seek([]byte("aa:1"))); return it.Err() },
		"Key":         func() error { require.False(t, it.Next()); require.Nil(t, it.Key()); return it.Err() },
		"Value":       func() error { require.False(t, it.Next()); _, err := it.Value(); return err },
		"ValueSize":   func() error { require.False(t, it.Next()); require.Zero(t, it.ValueSize()); return it.Err() },
		"ValueReader": func() error { require.False(t, it.Next()); return readNothing(it) },
		"Err":         func() error { require.False(t, it.Next()); return it.Err() },
		"Close":       func() error { require.NoError(t, it.Close()); it.Next(); return it.Err() },
	}
	requireMethods[*Iterator](t, calls)
	for name, call := range calls {
		require.ErrorIs(t, call(), ErrClosed, name)
	}
	require.NoError(t, it.Close())
}

func readNothing(it *Iterator) error {
	if n, _ := it.ValueReader().Read(make([]byte, 1)); n > 0 {
		return nil
	}
	return it.Err()
}

// here is the line of the caller, plus some.
func here(plus int) string {
	_, file, line, _ := runtime.Caller(1)
	return fmt.Sprintf("%s:%d", filepath.Base(file), line+plus)
}

func TestCloseNamesWhatIsOpen(t *testing.T) {
	mem := vfs.NewMem(vfs.MemOptions{})
	db, err := Open("db", goldenOptions(mem, LogOff))
	require.NoError(t, err)
	require.NoError(t, db.Put([]byte("aa:1"), []byte("value")))
	places := []string{here(1), here(3), here(5), here(7), here(9)}
	v, err := db.View()
	require.NoError(t, err)
	it, err := db.Iterator(nil, nil)
	require.NoError(t, err)
	live, err := db.Prefix([]byte("aa:"))
	require.NoError(t, err)
	ofView, err := v.Iterator(nil, nil)
	require.NoError(t, err)
	stream, _, _, err := db.Stream([]byte("aa:1"))
	require.NoError(t, err)

	err = db.Close()
	require.ErrorIs(t, err, ErrOpen)
	for i, place := range places {
		require.Contains(t, err.Error(), place, "%d", i)
	}
	require.NotContains(t, err.Error(), "aa:1")
	for _, it := range []*Iterator{it, live, ofView} {
		require.False(t, it.Next())
		require.NoError(t, it.Close())
	}
	require.ErrorIs(t, stream.Close(), ErrClosed) // its view is

	db, err = Open("db", goldenOptions(mem, LogOff))
	require.NoError(t, err)
	requireContent(t, db, map[string]string{"aa:1": "value"})
	require.NoError(t, db.Close())
}

// badRanges are none of partitions of two bytes.
var badRanges = [][2][]byte{
	{[]byte("abc"), nil},
	{nil, []byte("abc")},
	{[]byte("b"), []byte("a")},
	{[]byte("b"), []byte("b")},
	{[]byte("b"), {}},
	{nil, {}},
	{[]byte("ab"), []byte("a")},
}

func TestBoundsThatAreNone(t *testing.T) {
	for _, mode := range []LogMode{LogOff, LogSynced} {
		mem := makeClosed(t)
		db, err := Open("db", goldenOptions(mem, mode))
		require.NoError(t, err)
		for i, r := range badRanges {
			require.ErrorIs(t, db.DeleteRange(r[0], r[1]), ErrRange, "%d", i)
			parts := []Part{{Dir: "one", From: r[0], To: r[1]}}
			require.ErrorIs(t, Restore(t.Context(), "to", parts, goldenOptions(mem, mode)), ErrRange, "%d", i)
		}
		for _, prefix := range []string{"aa:1", "a:b", ":x"} {
			require.ErrorIs(t, db.DeletePrefix([]byte(prefix)), ErrRange)
			_, err := db.Prefix([]byte(prefix))
			require.ErrorIs(t, err, ErrRange)
			var b Batch
			b.Put([]byte("aa:1"), nil)
			b.DeletePrefix([]byte(prefix))
			require.ErrorIs(t, db.Apply(&b), ErrRange)
		}
		require.NoError(t, db.Close())
		db, err = Open("db", goldenOptions(mem, mode))
		require.NoError(t, err)
		requireContent(t, db, goldenStores["v1-closed"].want())
		require.NoError(t, db.Close())
	}
	mem := vfs.NewMem(vfs.MemOptions{})
	db, err := Open("db", &Options{FS: mem, Budget: goldenBudget}) // one partition
	require.NoError(t, err)
	require.ErrorIs(t, db.DeleteRange([]byte("a"), nil), ErrRange)
	require.ErrorIs(t, db.DeleteRange(nil, []byte("a")), ErrRange)
	require.NoError(t, db.DeleteRange(nil, nil))
	require.NoError(t, db.Close())
}

// A restore that is not possible leaves nothing behind, and the parts as they
// were.
func TestRestoresThatAreNotPossible(t *testing.T) {
	mem := makeClosed(t)
	open, err := Open("open", goldenOptions(mem, LogSynced))
	require.NoError(t, err)
	defer open.Close()
	whole, err := Open("whole", &Options{FS: mem, Budget: goldenBudget})
	require.NoError(t, err)
	require.NoError(t, whole.Close())
	copyFiles(t, mem, "half", mem, "one")
	names, err := mem.List("half")
	require.NoError(t, err)
	for _, name := range names {
		if kindOfFile(name) == tableFile {
			require.NoError(t, mem.Remove("half/"+name))
		}
	}
	a, b, c := []byte("a"), []byte("b"), []byte("c")
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, try := range map[string]struct {
		ctx   context.Context
		parts []Part
		want  error
	}{
		"all twice":              {t.Context(), []Part{{"one", nil, nil}, {"two", nil, nil}}, ErrRange},
		"overlap by a partition": {t.Context(), []Part{{"one", nil, b}, {"two", []byte("a\xff"), nil}}, ErrRange},
		"one in another":         {t.Context(), []Part{{"one", a, nil}, {"two", b, c}}, ErrRange},
		"the same store twice":   {t.Context(), []Part{{"one", a, c}, {"one", b, nil}}, ErrRange},
		"another split":          {t.Context(), []Part{{"one", nil, b}, {"whole", b, nil}}, ErrMismatch},
		"with a log":             {t.Context(), []Part{{"one", nil, b}, {"open", b, nil}}, ErrOption},
		"no store":               {t.Context(), []Part{{"one", nil, b}, {"nowhere", b, nil}}, ErrNotStore},
		"half a store":           {t.Context(), []Part{{"one", nil, b}, {"half", b, nil}}, ErrCorrupt},
		"cancelled":              {cancelled, []Part{{"one", nil, b}, {"two", b, nil}}, context.Canceled},
	} {
		require.ErrorIs(t, Restore(try.ctx, "to", try.parts, goldenOptions(mem, LogOff)), try.want, name)
		left, err := mem.List("to")
		if err == nil {
			require.Subset(t, []string{lockName}, left, name)
		}
	}
	db, err := Open("db", goldenOptions(mem, LogOff))
	require.NoError(t, err)
	requireContent(t, db, goldenStores["v1-closed"].want())
	require.NoError(t, db.Close())
	parts := []Part{{"one", nil, b}, {"two", b, nil}}
	require.NoError(t, Restore(t.Context(), "to", parts, goldenOptions(mem, LogOff)))
	want := goldenFilled("one", func(key string) bool { return key < "b" })
	for key, value := range goldenFilled("two", func(key string) bool { return key >= "b" }) {
		want[key] = value
	}
	db, err = Open("to", goldenOptions(mem, LogOff))
	require.NoError(t, err)
	requireContent(t, db, want)
	require.NoError(t, db.Close())
}
