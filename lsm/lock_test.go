package lsm

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/lsm/internal/directory"
	"github.com/weirstate/weir/lsm/internal/manifest"
	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

// losses are ways in which a store's lock goes while it is open.
var losses = map[string]func(t *testing.T, fsys vfs.FS, dir string){
	"removed": func(t *testing.T, fsys vfs.FS, dir string) {
		require.NoError(t, fsys.Remove(filepath.Join(dir, directory.LockName)))
	},
	"replaced": func(t *testing.T, fsys vfs.FS, dir string) {
		require.NoError(t, fsys.Remove(filepath.Join(dir, directory.LockName)))
		f, err := fsys.Create(filepath.Join(dir, directory.LockName))
		require.NoError(t, err)
		require.NoError(t, f.Close())
	},
}

// A cleaner of old files takes the lock of a live store: neither does another
// store get the directory, nor does this one change anything in it from then on.
func TestStoreThatHasLostItsLockStops(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // it removes no file that is locked
	}
	for how, lose := range losses {
		for _, mode := range []LogMode{LogOff, LogSynced} {
			for name, fsys := range map[string]vfs.FS{"mem": vfstest.NewMem(vfstest.MemOptions{}), "real": vfs.Real{}} {
				t.Run(fmt.Sprint(how, " ", name, " ", mode), func(t *testing.T) {
					dir := filepath.Join(t.TempDir(), "db")
					o := &Options{FS: fsys, Log: mode}
					db, err := Open(context.Background(), dir, *o)
					require.NoError(t, err)
					require.NoError(t, db.Put([]byte("key"), []byte("value")))
					require.NoError(t, db.Flush(context.Background()))
					require.NoError(t, db.Put([]byte("later"), []byte("value")))
					lose(t, fsys, dir)

					_, err = Open(context.Background(), dir, *o)
					require.ErrorIs(t, err, ErrLocked)
					err = db.Flush(context.Background())
					require.ErrorIs(t, err, ErrLockLost)
					require.ErrorIs(t, err, ErrFailed)
					require.ErrorIs(t, err, ErrLocked)
					require.ErrorIs(t, db.Put([]byte("later"), []byte("value")), ErrLockLost)
					value, found, err := db.Get([]byte("later"), nil)
					require.NoError(t, err)
					require.True(t, found)
					require.Equal(t, "value", string(value))
					before := contentsIn(t, fsys, dir)
					require.ErrorIs(t, db.Close(), ErrLockLost)
					require.Equal(t, before, contentsIn(t, fsys, dir))

					db, err = Open(context.Background(), dir, *o)
					require.NoError(t, err)
					_, found, err = db.Get([]byte("key"), nil)
					require.NoError(t, err)
					require.True(t, found)
					require.NoError(t, db.Close())
				})
			}
		}
	}
}

// The directory of a live store is removed, and another store made there.
func TestStoreWhoseDirectoryWasReplacedChangesNothingInTheNewOne(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // it removes no file that is open
	}
	dir := filepath.Join(t.TempDir(), "db")
	old := filled(t, dir)
	require.NoError(t, os.RemoveAll(dir))
	db := filled(t, dir)
	require.NoError(t, db.Flush(context.Background()))
	before := contentsIn(t, vfs.Real{}, dir)
	require.Error(t, old.Flush(context.Background()))
	require.ErrorIs(t, old.Close(), ErrLockLost)
	require.Equal(t, before, contentsIn(t, vfs.Real{}, dir))
	require.NoError(t, db.Close())
	requireFilled(t, dir)
}

// Tables of the new store have the names of the old one's.
func TestStoreWhoseDirectoryWasReplacedMakesNoCheckpointOfTheNewOne(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // it removes no file that is open
	}
	dir, to := filepath.Join(t.TempDir(), "db"), filepath.Join(t.TempDir(), "to")
	old := filled(t, dir)
	require.NoError(t, old.Flush(context.Background()))
	require.NoError(t, os.RemoveAll(dir))
	db := filled(t, dir)
	require.NoError(t, db.Flush(context.Background()))
	require.ErrorIs(t, old.Checkpoint(t.Context(), to), ErrLockLost)
	require.NoDirExists(t, to)
	require.ErrorIs(t, old.Close(), ErrLockLost)
	require.NoError(t, db.Close())
}

// The lock of a directory is lost while a store is made there.
func TestStoreIsNotMadeWhereTheLockIsLost(t *testing.T) {
	fsys := vfstest.NewMem(vfstest.MemOptions{})
	e := &manifest.Edit{First: true, NextFile: 3, NextRun: 1}
	for number := range uint64(2) {
		f, err := fsys.Create(fmt.Sprint("table", number))
		require.NoError(t, err)
		require.NoError(t, f.Close())
		e.Added = append(e.Added, manifest.LevelTable{Meta: version.FileMeta{Number: number + 1}})
	}
	err := buildStore(t.Context(), fsys, "/db", e, func(i int) string {
		if i == 1 {
			require.NoError(t, fsys.Remove("/db/"+directory.LockName))
		}
		return fmt.Sprint("table", i)
	})
	require.ErrorIs(t, err, ErrLockLost)
	names, err := fsys.List("/db")
	require.NoError(t, err)
	require.Equal(t, []string{directory.TableName(1)}, names)
}

// contentsIn returns the content of every file of a store.
func contentsIn(t *testing.T, fsys vfs.FS, dir string) map[string]string {
	t.Helper()
	names, err := fsys.List(dir)
	require.NoError(t, err)
	all := make(map[string]string)
	for _, name := range names {
		content, err := manifest.ReadFile(fsys, filepath.Join(dir, name), 1<<20)
		require.NoError(t, err)
		all[name] = string(content)
	}
	return all
}
