package lsm

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/lsm/internal/directory"
	"github.com/weirstate/weir/lsm/internal/manifest"
	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

func goldenOptions(t testing.TB, fsys vfs.FS, mode LogMode) *Options {
	return &Options{FS: fsys, Log: mode, Split: colon, PartitionBytes: 2, BlockBytes: 512, FileBytes: 600, Budget: goldenBudget(t)}
}

func requireContent(t *testing.T, db *DB, want map[string]string) {
	t.Helper()
	it, err := db.Iterator(nil, nil)
	require.NoError(t, err)
	got := map[string]string{}
	for it.Next() {
		value, err := it.Value()
		require.NoError(t, err)
		got[string(it.Key())] = string(value)
		one, found, err := db.Get(it.Key(), nil)
		require.NoError(t, err)
		require.True(t, found && bytes.Equal(one, value))
	}
	require.NoError(t, it.Err())
	require.NoError(t, it.Close())
	require.Equal(t, slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got)))
	for key, value := range want {
		require.True(t, value == got[key], "%s has %d bytes, not %d", key, len(got[key]), len(value))
	}
}

// goldenFill writes the first entries of a fixture store, in several runs.
func goldenFill(t *testing.T, db *DB, salt string) {
	t.Helper()
	for round := range 3 {
		for i := range 40 {
			key := fmt.Appendf(nil, "%c%c:%d", 'a'+i%20, 'a'+i/20, round%2)
			require.NoError(t, db.Append(key, fmt.Appendf(nil, "%s %d %d;", salt, round, i)))
		}
		require.NoError(t, db.Flush(context.Background()))
		if round == 1 {
			require.NoError(t, db.Compact(context.Background()))
		}
	}
}

// goldenFilled returns the entries that goldenFill writes with keys accepted by keep.
func goldenFilled(salt string, keep func(key string) bool) map[string]string {
	want := map[string]string{}
	for round := range 3 {
		for i := range 40 {
			if key := fmt.Sprintf("%c%c:%d", 'a'+i%20, 'a'+i/20, round%2); keep(key) {
				want[key] += fmt.Sprintf("%s %d %d;", salt, round, i)
			}
		}
	}
	return want
}

// goldenLarge is a value of more than 1/16 of the budget, which is written as a run of its own.
var goldenLarge = strings.Repeat("large value ", 4<<20/16/10)

// goldenStores holds the fixture directories: how a store is made and its content.
var goldenStores = map[string]struct {
	make func(t *testing.T) *vfstest.Mem // makes the store in the directory db
	want func() map[string]string
}{
	"v1-closed": {makeClosed, closedWant}, // made by code that wrote version 1 of CURRENT
	"v2-closed": {makeClosed, closedWant},
	"v1-open": {makeOpen, func() map[string]string {
		want := goldenFilled("one", func(string) bool { return true })
		maps.Copy(want, map[string]string{"aa:new": "new", "hh:1": goldenLarge, "zz:1": "zz", "zz:2": "zz2"})
		delete(want, "aa:1")
		return want
	}},
}

// closedWant returns the content of the store of makeClosed.
func closedWant() map[string]string {
	want := goldenFilled("one", func(key string) bool { return key < "cb" })
	maps.Copy(want, goldenFilled("two", func(key string) bool { return key >= "cb" && key < "g" }))
	maps.Copy(want, map[string]string{"aa:new": "new", "hh:1": goldenLarge, "cb:1": want["cb:1"] + "more"})
	delete(want, "ca:0")
	delete(want, "db:0")
	delete(want, "db:1")
	return want
}

// makeClosed restores a store from two others, writes to it and closes it.
func makeClosed(t *testing.T) *vfstest.Mem {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	for _, part := range []string{"one", "two"} {
		db, err := Open(context.Background(), part, *goldenOptions(t, mem, LogOff))
		require.NoError(t, err)
		goldenFill(t, db, part)
		require.NoError(t, db.Close())
	}
	o := goldenOptions(t, mem, LogSynced)
	parts := []Part{{Dir: "one", From: nil, To: []byte("cb")}, {Dir: "two", From: []byte("cb"), To: []byte("g")}}
	require.NoError(t, Restore(t.Context(), "db", parts, *o))
	db, err := Open(context.Background(), "db", *o)
	require.NoError(t, err)
	require.NoError(t, db.Put([]byte("aa:new"), []byte("new")))
	require.NoError(t, db.Append([]byte("cb:1"), []byte("more")))
	require.NoError(t, db.Delete([]byte("ca:0")))
	require.NoError(t, db.DeletePrefix([]byte("db:")))
	require.NoError(t, db.Put([]byte("hh:1"), []byte(goldenLarge)))
	require.NoError(t, db.DeleteRange([]byte("x"), nil))
	require.NoError(t, db.Close())
	return mem
}

// makeOpen makes a store that was not closed. Some of its writes are only in logs. One write is in a
// table that only a log names.
func makeOpen(t *testing.T) *vfstest.Mem {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	db, err := Open(context.Background(), "db", *goldenOptions(t, mem, LogSynced))
	require.NoError(t, err)
	goldenFill(t, db, "one")
	db.manifest.Lock() // blocks the flusher
	require.NoError(t, db.Put([]byte("aa:new"), []byte("new")))
	require.NoError(t, db.Delete([]byte("aa:1")))
	require.NoError(t, db.Put([]byte("hh:1"), []byte(goldenLarge)))
	var b Batch
	b.Put([]byte("zz:1"), []byte("zz"))
	b.Append([]byte("zz:2"), []byte("zz2"))
	require.NoError(t, db.Apply(&b))
	crashed := mem.CrashClone(vfstest.CrashOptions{Keep: 0})
	db.manifest.Unlock()
	require.NoError(t, db.Close())
	return crashed
}

// The store opens copies of the fixture stores and reads their content.
func TestFixtureStoresAreReadable(t *testing.T) {
	for name, g := range goldenStores {
		dir := filepath.Join("testdata", name)
		if _, err := os.Stat(dir); *update && os.IsNotExist(err) { // an existing fixture is never overwritten, because its identities are random
			copyFiles(t, vfs.Real{}, dir, g.make(t), "db")
		}
		mem := vfstest.NewMem(vfstest.MemOptions{})
		copyFiles(t, mem, "db", vfs.Real{}, dir)
		report, err := Check(t.Context(), "db", *goldenOptions(t, mem, LogOff))
		require.NoError(t, err, name)
		require.Empty(t, report.Problems)
		require.Positive(t, report.Tables)

		c, _, err := manifest.Read(context.Background(), mem, "db")
		require.NoError(t, err)
		clips := 0
		for _, p := range c.Tables {
			if p.Meta.Clip.To != nil || len(p.Meta.Clip.From) > 0 {
				clips++
			}
		}
		if name != "v1-open" {
			require.Positive(t, clips)
			require.Empty(t, report.Leftovers)
			require.Zero(t, report.Logs)
		} else {
			require.Positive(t, report.Logs)
		}

		for range 2 {
			db, err := Open(context.Background(), "db", *goldenOptions(t, mem, LogOff))
			require.NoError(t, err, name)
			requireContent(t, db, g.want())
			require.NoError(t, db.Compact(context.Background()))
			requireContent(t, db, g.want())
			require.NoError(t, db.Close())
		}
	}
}

// copyFiles copies all files of a store except the lock.
func copyFiles(t *testing.T, to vfs.FS, toDir string, from vfs.FS, fromDir string) {
	t.Helper()
	require.NoError(t, to.MkdirAll(toDir))
	names, err := from.List(fromDir)
	require.NoError(t, err)
	for _, name := range names {
		if name == directory.LockName {
			continue
		}
		content, err := manifest.ReadFile(from, filepath.Join(fromDir, name), 1<<20)
		require.NoError(t, err)
		writeFile(t, to, filepath.Join(toDir, name), content)
	}
}
