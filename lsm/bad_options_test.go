package lsm

import (
	"context"
	"io/fs"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/lsm/internal/directory"
	"github.com/weirstate/weir/memtable"
	"github.com/weirstate/weir/sstable"
	"github.com/weirstate/weir/vfs/vfstest"
)

func TestInvalidOptionsAreErrors(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	for name, change := range map[string]func(o *Options){
		"split without a name":           func(o *Options) { o.Split.Name = "" },
		"split without a function":       func(o *Options) { o.Split.Func = nil },
		"negative PartitionBytes":        func(o *Options) { o.PartitionBytes = -1 },
		"PartitionBytes above the limit": func(o *Options) { o.PartitionBytes = 65 },
		"unknown log mode":               func(o *Options) { o.Log = LogSynced + 1 },
		"BlockBytes below the minimum":   func(o *Options) { o.BlockBytes = 511 },
		"BlockBytes above the maximum":   func(o *Options) { o.BlockBytes = 1 << 20 },
		"negative FileBytes":             func(o *Options) { o.FileBytes = -1 },
		"negative MemtableBytes":         func(o *Options) { o.MemtableBytes = -1 },
		"negative BudgetBytes":           func(o *Options) { o.BudgetBytes = -1 },
		"MaxKeySize above the limit":     func(o *Options) { o.MaxKeySize = MaxKeySize + KeyRoom + 1 },
		"negative MaxKeySize":            func(o *Options) { o.MaxKeySize = -1 },
		"MaxValueSize above the limit":   func(o *Options) { o.MaxValueSize = MaxValueSize + ValueRoom + 1 },
		"negative MaxValueSize":          func(o *Options) { o.MaxValueSize = -1 },
		"FilterBits above the limit":     func(o *Options) { o.FilterBits = 65 },
		"Budget and BudgetBytes": func(o *Options) {
			o.Budget, o.BudgetBytes = NewBudget(0), 8<<20
			t.Cleanup(func() { require.NoError(t, o.Budget.Close()) })
		},
		"tiers of a negative number of runs": func(o *Options) { o.Picker = NewTiered(-3) },
		"tiers of one run":                   func(o *Options) { o.Picker = NewTiered(1) },
		"unknown compression":                func(o *Options) { o.Compression = []Compression{S2, 3} },
	} {
		o := goldenOptions(t, mem, LogOff)
		change(o)
		_, err := Open(context.Background(), "db", *o)
		require.ErrorIs(t, err, ErrInvalidOption, name)
		_, err = Check(t.Context(), "db", *o)
		require.ErrorIs(t, err, ErrInvalidOption, name)
		require.ErrorIs(t, Restore(t.Context(), "db", nil, *o), ErrInvalidOption, name)
	}
	_, err := mem.List("db")
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// Regression test: a nil context was reported as a panic of the split function, and Flush with a nil
// context failed the store.
func TestNilContextIsAnInvalidOption(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	o := *goldenOptions(t, mem, LogOff)
	db, err := Open(t.Context(), "db", o)
	require.NoError(t, err)
	require.NoError(t, db.Put([]byte("aa:1"), []byte("value")))
	v, err := db.View()
	require.NoError(t, err)
	var nilContext context.Context
	for name, call := range map[string]func() error{
		"Open":            func() error { _, err := Open(nilContext, "other", o); return err },
		"Check":           func() error { _, err := Check(nilContext, "other", o); return err },
		"Restore":         func() error { return Restore(nilContext, "other", nil, o) },
		"SplitOf":         func() error { _, err := SplitOf(nilContext, "db", o); return err },
		"Flush":           func() error { return db.Flush(nilContext) },
		"Compact":         func() error { return db.Compact(nilContext) },
		"Checkpoint":      func() error { return db.Checkpoint(nilContext, "other") },
		"View.Checkpoint": func() error { return v.Checkpoint(nilContext, "other") },
		"Tables":          func() error { _, err := v.Tables(nilContext); return err },
	} {
		err := call()
		require.ErrorIs(t, err, ErrInvalidOption, name)
		require.ErrorContains(t, err, "the context is nil", name)
	}
	_, err = mem.List("other")
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NoError(t, v.Close())
	require.NoError(t, db.Put([]byte("aa:2"), []byte("value")))
	require.NoError(t, db.Close())
}

// Regression test: Open accepted a NewMemtable that returns nil, and Close then never returned.
func TestNilMemtableIsAnInvalidOption(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	o := goldenOptions(t, mem, LogOff)
	o.NewMemtable = func(memtable.Options) memtable.Table { return nil }
	_, err := Open(context.Background(), "db", *o)
	require.ErrorIs(t, err, ErrInvalidOption)
	_, err = mem.List("db")
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestChangedSplitOrPartitionBytesAreRefused(t *testing.T) {
	mem := makeClosed(t)
	for name, change := range map[string]func(o *Options){
		"split":      func(o *Options) { o.Split = WholeKey },
		"partitions": func(o *Options) { o.PartitionBytes = 1 },
	} {
		o := goldenOptions(t, mem, LogOff)
		change(o)
		_, err := Open(context.Background(), "db", *o)
		require.ErrorIs(t, err, ErrMismatch, name)
		_, err = Check(t.Context(), "db", *o)
		require.ErrorIs(t, err, ErrMismatch, name)
		require.ErrorIs(t, Restore(t.Context(), "to", []Part{{Dir: "db"}}, *o), ErrMismatch, name)
	}
	db, err := Open(context.Background(), "db", *goldenOptions(t, mem, LogOff))
	require.NoError(t, err)
	requireContent(t, db, goldenStores["v1-closed"].want())
	require.NoError(t, db.Close())
}

// badRanges holds ranges that are invalid with partitions of two bytes.
var badRanges = [][2][]byte{
	{[]byte("abc"), nil},
	{nil, []byte("abc")},
	{[]byte("b"), []byte("a")},
	{[]byte("b"), []byte("b")},
	{[]byte("b"), {}},
	{nil, {}},
	{[]byte("ab"), []byte("a")},
}

func TestInvalidBoundsAreErrors(t *testing.T) {
	for _, mode := range []LogMode{LogOff, LogSynced} {
		mem := makeClosed(t)
		db, err := Open(context.Background(), "db", *goldenOptions(t, mem, mode))
		require.NoError(t, err)
		for i, r := range badRanges {
			require.ErrorIs(t, db.DeleteRange(r[0], r[1]), ErrRange, "%d", i)
			parts := []Part{{Dir: "one", From: r[0], To: r[1]}}
			require.ErrorIs(t, Restore(t.Context(), "to", parts, *goldenOptions(t, mem, mode)), ErrRange, "%d", i)
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
		db, err = Open(context.Background(), "db", *goldenOptions(t, mem, mode))
		require.NoError(t, err)
		requireContent(t, db, goldenStores["v1-closed"].want())
		require.NoError(t, db.Close())
	}
	mem := vfstest.NewMem(vfstest.MemOptions{})
	db, err := Open(context.Background(), "db", Options{FS: mem, Budget: goldenBudget(t)}) // one partition
	require.NoError(t, err)
	require.ErrorIs(t, db.DeleteRange([]byte("a"), nil), ErrRange)
	require.ErrorIs(t, db.DeleteRange(nil, []byte("a")), ErrRange)
	require.NoError(t, db.DeleteRange(nil, nil))
	require.NoError(t, db.Close())
}

// A failed restore leaves no files except the lock, and does not change the parts.
func TestFailedRestoreLeavesNoFiles(t *testing.T) {
	mem := makeClosed(t)
	open, err := Open(context.Background(), "open", *goldenOptions(t, mem, LogSynced))
	require.NoError(t, err)
	defer open.Close()
	whole, err := Open(context.Background(), "whole", Options{FS: mem, Budget: goldenBudget(t)})
	require.NoError(t, err)
	require.NoError(t, whole.Close())
	copyFiles(t, mem, "half", mem, "one")
	names, err := mem.List("half")
	require.NoError(t, err)
	for _, name := range names {
		if directory.KindOf(name) == directory.TableFile {
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
		"whole range twice":      {t.Context(), []Part{{Dir: "one", From: nil, To: nil}, {Dir: "two", From: nil, To: nil}}, ErrRange},
		"overlap by a partition": {t.Context(), []Part{{Dir: "one", From: nil, To: b}, {Dir: "two", From: []byte("a\xff"), To: nil}}, ErrRange},
		"one range in another":   {t.Context(), []Part{{Dir: "one", From: a, To: nil}, {Dir: "two", From: b, To: c}}, ErrRange},
		"the same store twice":   {t.Context(), []Part{{Dir: "one", From: a, To: c}, {Dir: "one", From: b, To: nil}}, ErrRange},
		"another split":          {t.Context(), []Part{{Dir: "one", From: nil, To: b}, {Dir: "whole", From: b, To: nil}}, ErrMismatch},
		"with a log":             {t.Context(), []Part{{Dir: "one", From: nil, To: b}, {Dir: "open", From: b, To: nil}}, ErrInvalidOption},
		"no store":               {t.Context(), []Part{{Dir: "one", From: nil, To: b}, {Dir: "missing", From: b, To: nil}}, ErrNotStore},
		"half a store":           {t.Context(), []Part{{Dir: "one", From: nil, To: b}, {Dir: "half", From: b, To: nil}}, ErrCorrupt},
		"cancelled":              {cancelled, []Part{{Dir: "one", From: nil, To: b}, {Dir: "two", From: b, To: nil}}, context.Canceled},
	} {
		require.ErrorIs(t, Restore(try.ctx, "to", try.parts, *goldenOptions(t, mem, LogOff)), try.want, name)
		left, err := mem.List("to")
		if err == nil {
			require.Subset(t, []string{directory.LockName}, left, name)
		}
	}
	db, err := Open(context.Background(), "db", *goldenOptions(t, mem, LogOff))
	require.NoError(t, err)
	requireContent(t, db, goldenStores["v1-closed"].want())
	require.NoError(t, db.Close())
	parts := []Part{{Dir: "one", From: nil, To: b}, {Dir: "two", From: b, To: nil}}
	require.NoError(t, Restore(t.Context(), "to", parts, *goldenOptions(t, mem, LogOff)))
	want := goldenFilled("one", func(key string) bool { return key < "b" })
	for key, value := range goldenFilled("two", func(key string) bool { return key >= "b" }) {
		want[key] = value
	}
	db, err = Open(context.Background(), "to", *goldenOptions(t, mem, LogOff))
	require.NoError(t, err)
	requireContent(t, db, want)
	require.NoError(t, db.Close())
}

// The sentinels of invalid options of the packages lsm and sstable match the same errors.
func TestInvalidOptionOfATableIsAnInvalidOptionOfTheStore(t *testing.T) {
	_, err := Open(context.Background(), "db", Options{FS: vfstest.NewMem(vfstest.MemOptions{}), BlockBytes: 1})
	require.ErrorIs(t, err, ErrInvalidOption)
	require.ErrorIs(t, err, sstable.ErrInvalidOption)
}

// Open cannot reject an invalid NewTiered that the caller's own Picker wraps. Such a picker must still
// pick compactions, because a store that never compacts stalls its writes.
func TestInvalidTieredPickerStillPicks(t *testing.T) {
	var s Shape
	s.Levels[0] = []Table{{Number: 2, Run: 2, Bytes: 10}, {Number: 1, Run: 1, Bytes: 10}}
	for _, runs := range []int{-3, 1} {
		require.Equal(t, &Pick{Files: []uint64{2, 1}}, NewTiered(runs).Pick(s), "%d runs", runs)
	}
}
