package lsm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/vfs/vfstest"
)

// requireMethods requires that calls has exactly the exported methods of T.
func requireMethods[T any](t *testing.T, calls map[string]func() error) {
	t.Helper()
	methods := reflect.TypeFor[T]()
	for i := range methods.NumMethod() {
		require.Contains(t, calls, methods.Method(i).Name)
	}
	require.Len(t, calls, methods.NumMethod())
}

func TestAllMethodsReturnErrClosedAfterClose(t *testing.T) {
	ctx := context.Background()
	for _, mode := range allLogModes {
		mem := vfstest.NewMem(vfstest.MemOptions{})
		db, err := Open(context.Background(), "db", *goldenOptions(t, mem, mode))
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
			"Close":        func() error { require.NoError(t, db.Close()); return ErrClosed },
			"Compact":      func() error { return db.Compact(context.Background()) },
			"Delete":       func() error { return db.Delete(key) },
			"DeletePrefix": func() error { return db.DeletePrefix([]byte("aa:")) },
			"DeleteRange":  func() error { return db.DeleteRange(nil, nil) },
			"Discard":      func() error { require.NoError(t, db.Discard()); return ErrClosed },
			"Flush":        func() error { return db.Flush(context.Background()) },
			"Get":          func() error { _, _, err := db.Get(key, nil); return err },
			"Has":          func() error { _, err := db.Has(key); return err },
			"Iterator":     func() error { _, err := db.Iterator(nil, nil); return err },
			"MayHold":      func() error { require.True(t, db.MayHold([]byte("absent"))); return ErrClosed },
			"Metrics":      func() error { db.Metrics(); return ErrClosed },
			"Peek":         func() error { _, _, err := db.Peek(key); return err },
			"Floor":        func() error { _, _, _, err := db.Floor(key); return err },
			"Prefix":       func() error { _, err := db.Prefix([]byte("aa:")); return err },
			"OpenPrefix":   func() error { return db.OpenPrefix(new(Iterator), []byte("aa:")) },
			"Put":          func() error { return db.Put(key, value) },
			"Seal":         db.Seal,
			"SealWith":     func() error { _, err := db.SealWith(sourceOf()); return err },
			"FlushedRun":   func() error { db.FlushedRun(); return ErrClosed },
			"Budget":       func() error { db.Budget(); return ErrClosed },
			"WaitFlushed":  func() error { return db.WaitFlushed(ctx, 1) },
			"Stream":       func() error { _, _, _, err := db.Stream(key); return err },
			"SyncLog":      db.SyncLog,
			"View":         func() error { _, err := db.View(); return err },
		}
		requireMethods[*DB](t, calls)
		for name, call := range calls {
			for range 2 {
				require.ErrorIs(t, call(), ErrClosed, name)
			}
		}
		db, err = Open(context.Background(), "db", *goldenOptions(t, mem, mode))
		require.NoError(t, err)
		requireContent(t, db, map[string]string{"aa:1": "value", "aa:2": "value"})
		require.NoError(t, db.Close())
	}
}

func requireClosedView(ctx context.Context, t *testing.T, v *View) {
	t.Helper()
	calls := map[string]func() error{
		"Checkpoint": func() error { return v.Checkpoint(ctx, "copy") },
		"Close":      func() error { require.NoError(t, v.Close()); return ErrClosed },
		"Get":        func() error { _, _, err := v.Get([]byte("aa:1"), nil); return err },
		"Has":        func() error { _, err := v.Has([]byte("aa:1")); return err },
		"Iterator":   func() error { _, err := v.Iterator(nil, nil); return err },
		"Stream":     func() error { _, _, _, err := v.Stream([]byte("aa:1")); return err },
		"Tables":     func() error { _, err := v.Tables(ctx); return err },
	}
	requireMethods[*View](t, calls)
	for name, call := range calls {
		require.ErrorIs(t, call(), ErrClosed, name)
	}
}

// requireClosedIterator requires ErrClosed from all methods of an iterator that is closed, or whose
// store is closed. key is the iterator's current key.
func requireClosedIterator(t *testing.T, it *Iterator, key []byte) {
	t.Helper()
	require.Equal(t, key, it.Key())
	calls := map[string]func() error{
		"Next":        func() error { require.False(t, it.Next()); return it.Err() },
		"Last":        func() error { require.False(t, it.Last()); return it.Err() },
		"Prev":        func() error { require.False(t, it.Prev()); return it.Err() },
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

// Regression test: readers of values continued after Close and read freed memory. The test closes each
// kind of handle directly and by closing its store. The value is in a memtable or in a table, as
// bytes, as chunks, or as pieces in several runs.
func TestHandlesReturnErrClosedAfterCloseOfTheStore(t *testing.T) {
	ctx := context.Background()
	type handle struct {
		read  func() error
		close func() error
	}
	streamOf := func(r io.ReadCloser, _ int64, found bool, err error) handle {
		require.NoError(t, err)
		require.True(t, found)
		return handle{func() error { _, err := r.Read(make([]byte, 1)); return err }, r.Close}
	}
	view := func(db *DB) *View {
		v, err := db.View()
		require.NoError(t, err)
		return v
	}
	key := []byte("aa:1")
	handles := map[string]func(*DB) handle{
		"DB.Stream":   func(db *DB) handle { return streamOf(db.Stream(key)) },
		"View.Stream": func(db *DB) handle { return streamOf(view(db).Stream(key)) },
		"Iterator.ValueReader": func(db *DB) handle {
			it, err := db.Iterator(key, nil)
			require.NoError(t, err)
			require.True(t, it.Next())
			r := it.ValueReader()
			return handle{func() error { _, err := r.Read(make([]byte, 1)); return err }, it.Close}
		},
		"Iterator": func(db *DB) handle {
			it, err := db.Iterator(key, nil)
			require.NoError(t, err)
			return handle{func() error { it.Seek(key); return it.Err() }, it.Close}
		},
		"Prefix": func(db *DB) handle {
			it, err := db.Prefix([]byte("aa:"))
			require.NoError(t, err)
			return handle{func() error { it.Seek(key); return it.Err() }, it.Close}
		},
		"View": func(db *DB) handle {
			v := view(db)
			return handle{func() error { _, _, err := v.Get(key, nil); return err }, v.Close}
		},
		"Tables.Open": func(db *DB) handle {
			tables, err := view(db).Tables(ctx)
			require.NoError(t, err)
			number := tables.List()[0].Number
			return handle{func() error {
				f, err := tables.Open(number)
				if err == nil {
					err = f.Close()
				}
				return err
			}, tables.Close}
		},
		"Tables.Link": func(db *DB) handle {
			tables, err := view(db).Tables(ctx)
			require.NoError(t, err)
			number, n := tables.List()[0].Number, 0
			return handle{func() error { n++; return tables.Link(number, fmt.Sprintf("link%d", n)) }, tables.Close}
		},
	}
	large := make([]byte, 80<<10)
	values := map[string]func(*DB) error{
		"bytes":  func(db *DB) error { return db.Put(key, []byte("value")) },
		"chunks": func(db *DB) error { return errors.Join(db.Append(key, large), db.Append(key, large)) },
		"pieces": func(db *DB) error {
			return errors.Join(db.Append(key, []byte("va")), db.Seal(), db.Append(key, []byte("lue")))
		},
	}
	for name, open := range handles {
		for form, write := range values {
			for _, flushed := range []bool{false, true} {
				for _, byStore := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s/%s/flushed=%v/store=%v", name, form, flushed, byStore), func(t *testing.T) {
						db, err := Open(context.Background(), "db", Options{FS: vfstest.NewMem(vfstest.MemOptions{}), BudgetBytes: 4 << 20, Split: goldenOptions(t, nil, LogOff).Split})
						require.NoError(t, err)
						require.NoError(t, write(db))
						if flushed {
							require.NoError(t, db.Flush(context.Background()))
						}
						h := open(db)
						require.NoError(t, h.read())
						if byStore {
							require.ErrorIs(t, db.Close(), ErrOpen)
						} else {
							require.NoError(t, h.close())
						}
						for range 2 {
							require.ErrorIs(t, h.read(), ErrClosed)
						}
						if byStore {
							_ = h.close()
						} else {
							_ = db.Close()
						}
						require.ErrorIs(t, h.read(), ErrClosed)
					})
				}
			}
		}
	}
}

// Regression test: after Next, a reader of the previous value read memory that Next had reused.
func TestNextClosesTheReaderOfTheValue(t *testing.T) {
	db, err := Open(context.Background(), "db", Options{FS: vfstest.NewMem(vfstest.MemOptions{})})
	require.NoError(t, err)
	require.NoError(t, db.Put([]byte("a"), []byte("first")))
	require.NoError(t, db.Put([]byte("b"), []byte("second")))
	it, err := db.Iterator(nil, nil)
	require.NoError(t, err)
	require.True(t, it.Next())
	r := it.ValueReader()
	b := make([]byte, 2)
	n, err := r.Read(b)
	require.NoError(t, err)
	require.Equal(t, "fi", string(b[:n]))
	require.True(t, it.Next())
	_, err = r.Read(b)
	require.ErrorIs(t, err, ErrClosed)
	require.NoError(t, it.Close())
	require.NoError(t, db.Close())
}

func readNothing(it *Iterator) error {
	if n, _ := it.ValueReader().Read(make([]byte, 1)); n > 0 {
		return nil
	}
	return it.Err()
}

// callerLine returns the file and line that is plus lines after the call.
func callerLine(plus int) string {
	_, file, line, _ := runtime.Caller(1)
	return fmt.Sprintf("%s:%d", filepath.Base(file), line+plus)
}

func TestCloseNamesOpenViewsAndIterators(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	db, err := Open(context.Background(), "db", *goldenOptions(t, mem, LogOff))
	require.NoError(t, err)
	require.NoError(t, db.Put([]byte("aa:1"), []byte("value")))
	places := []string{callerLine(1), callerLine(3), "iterator of a prefix", callerLine(7), callerLine(9), callerLine(11), callerLine(13)}
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
	ofViewStream, _, _, err := v.Stream([]byte("aa:1"))
	require.NoError(t, err)
	tables, err := v.Tables(t.Context())
	require.NoError(t, err)
	require.True(t, live.Next())

	err = db.Close()
	require.ErrorIs(t, err, ErrOpen)
	for i, place := range places {
		require.Contains(t, err.Error(), place, "%d", i)
	}
	require.NotContains(t, err.Error(), "aa:1")
	for _, line := range strings.Split(err.Error(), ",") { // only lines of the caller, not of this package
		require.True(t, strings.HasSuffix(line, "prefix") || strings.Contains(line, "closed_test.go"), line)
	}
	require.NoError(t, ofViewStream.Close())
	require.NoError(t, tables.Close())
	for _, it := range []*Iterator{it, live, ofView} {
		require.False(t, it.Next())
		require.NoError(t, it.Close())
	}
	require.NoError(t, stream.Close())

	db, err = Open(context.Background(), "db", *goldenOptions(t, mem, LogOff))
	require.NoError(t, err)
	requireContent(t, db, map[string]string{"aa:1": "value"})
	require.NoError(t, db.Close())
}

// The error has separate counts of views and iterators, in singular or plural.
func TestErrOpenCountsViewsAndIterators(t *testing.T) {
	for want, open := range map[string]struct{ views, iterators int }{
		"1 view is still open: ":                  {1, 0},
		"1 iterator is still open: ":              {0, 1},
		"2 views are still open: ":                {2, 0},
		"2 views and 1 iterator are still open: ": {2, 1},
		"1 view and 3 iterators are still open: ": {1, 3},
	} {
		db, err := Open(t.Context(), "db", Options{FS: vfstest.NewMem(vfstest.MemOptions{})})
		require.NoError(t, err)
		for range open.views {
			_, err := db.View()
			require.NoError(t, err)
		}
		var iterators []*Iterator
		for range open.iterators {
			it, err := db.Iterator(nil, nil)
			require.NoError(t, err)
			iterators = append(iterators, it)
		}
		err = db.Close()
		require.ErrorIs(t, err, ErrOpen)
		require.True(t, strings.HasPrefix(err.Error(), want), "%s: %v", want, err)
		for _, it := range iterators {
			require.NoError(t, it.Close())
		}
	}
}

// Regression test: a second Close returned while the first one still wrote files, so that a caller
// could remove or reopen the directory too early.
func TestSecondCloseWaitsForTheFirst(t *testing.T) {
	for name, op := range map[string]vfstest.Op{"flush": vfstest.OpCreate, "end of the manifest": vfstest.OpRename} {
		for second, end := range map[string]func(*DB) error{"Close": (*DB).Close, "Discard": (*DB).Discard} {
			var armed atomic.Bool
			reached, resume := make(chan struct{}), make(chan struct{})
			disk := vfstest.NewFaulty(vfstest.NewMem(vfstest.MemOptions{}), vfstest.FaultyOptions{Plan: func(c vfstest.Call) error {
				if c.Op == op && armed.CompareAndSwap(true, false) {
					reached <- struct{}{}
					<-resume
				}
				return nil
			}})
			db, err := Open(t.Context(), "db", Options{FS: disk})
			require.NoError(t, err)
			require.NoError(t, db.Put([]byte("key"), []byte("value")))
			armed.Store(true)
			first, other := make(chan error, 1), make(chan error, 1)
			go func() { first <- db.Close() }()
			<-reached
			go func() { other <- end(db) }()
			select {
			case <-other:
				require.Fail(t, "the second call did not wait", "%s during %s", second, name)
			case <-time.After(20 * time.Millisecond):
			}
			resume <- struct{}{}
			require.NoError(t, <-first)
			require.NoError(t, <-other)
		}
	}
}
