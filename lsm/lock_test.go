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

// losses holds ways in which an open store loses its lock file.
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

// A cleanup job removes the lock file of an open store. No other store may open the directory, and the
// open store must not change any file from then on.
func TestStoreWithoutItsLockChangesNothing(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // Windows does not remove locked files
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

// The directory of an open store is removed, and another store is made under the same name.
func TestStoreOfAReplacedDirectoryDoesNotChangeTheNewDirectory(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // Windows does not remove open files
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

// The tables of the new store have the same names as those of the old store, so a checkpoint of the old
// store could link them by mistake.
func TestCheckpointDoesNotLinkTablesOfAReplacedDirectory(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // Windows does not remove open files
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

// buildStore stops with ErrLockLost if the lock file is removed while it links the tables.
func TestBuildStoreStopsWhenTheLockIsLost(t *testing.T) {
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
