package lsm

import (
	"context"
	"fmt"
	"path/filepath"
	"reflect"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/vfs"
)

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
	for _, mode := range allLogModes {
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
			"Discard":      db.Discard,
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
		"Tables":     func() error { _, err := v.Tables(ctx); return err },
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
	places := []string{here(1), here(3), "iterator of a prefix", here(7), here(9)}
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
