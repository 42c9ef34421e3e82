package lsm

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// filled opens a store, writes one key and returns the open store.
func filled(t *testing.T, dir string) *DB {
	t.Helper()
	db, err := Open(context.Background(), dir, Options{})
	require.NoError(t, err)
	require.NoError(t, db.Put([]byte("key"), []byte("value")))
	return db
}

// requireFilled checks that the store in dir has no fault and has the key that filled wrote.
func requireFilled(t *testing.T, dir string) {
	t.Helper()
	_, err := Check(context.Background(), dir, Options{})
	require.NoError(t, err)
	db, err := Open(context.Background(), dir, Options{})
	require.NoError(t, err)
	value, found, err := db.Get([]byte("key"), nil)
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, "value", string(value))
	require.NoError(t, db.Close())
}

// filesIn returns the paths of all files and directories below dir, relative to it.
func filesIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err == nil && path != dir {
			names = append(names, path[len(dir)+1:])
		}
		return err
	}))
	return names
}

func TestStoreIgnoresLaterChangesOfTheWorkingDirectory(t *testing.T) {
	here, there := t.TempDir(), t.TempDir()
	t.Chdir(here)
	db := filled(t, "store")
	t.Chdir(there)
	require.NoError(t, db.Checkpoint(t.Context(), "checkpoint"))
	require.NoError(t, db.Close())
	requireFilled(t, filepath.Join(here, "store"))
	requireFilled(t, "checkpoint")

	require.NoError(t, Restore(t.Context(), "restored", []Part{{Dir: "../" + filepath.Base(there) + "/checkpoint"}}, Options{}))
	requireFilled(t, filepath.Join(there, "restored"))
	require.Equal(t, []string{"store"}, filesIn(t, here)[:1])
	for _, name := range filesIn(t, there) {
		require.NotEqual(t, "store", name)
	}
}

func TestPathThroughAMissingDirectoryIsAnError(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // Windows removes a/.. from the name first
	}
	dir := t.TempDir()
	t.Chdir(dir)
	const name = "a/../store"
	_, err := Open(context.Background(), name, Options{})
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = Check(t.Context(), name, Options{})
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorIs(t, Restore(t.Context(), name, nil, Options{}), fs.ErrNotExist)
	db := filled(t, "there")
	require.ErrorIs(t, db.Checkpoint(t.Context(), name), fs.ErrNotExist)
	require.NoError(t, db.Close())
	require.ErrorIs(t, Restore(t.Context(), "to", []Part{{Dir: "a/../there"}}, Options{}), fs.ErrNotExist)
	for _, name := range filesIn(t, dir) {
		require.Equal(t, "there", filepath.ToSlash(name)[:len("there")])
	}
}

func TestEmptyDirectoryNameIsAnError(t *testing.T) {
	t.Chdir(t.TempDir())
	_, err := Open(context.Background(), "", Options{})
	require.ErrorIs(t, err, fs.ErrInvalid)
	_, err = Check(t.Context(), "", Options{})
	require.ErrorIs(t, err, fs.ErrInvalid)
	require.ErrorIs(t, Restore(t.Context(), "", nil, Options{}), fs.ErrInvalid)
	require.ErrorIs(t, Restore(t.Context(), "to", []Part{{}}, Options{}), fs.ErrInvalid)
	require.Empty(t, filesIn(t, "."))
}

// The store creates no file, not even a lock file, in a directory with files of another program.
func TestDirectoryWithForeignFilesIsRefusedUnchanged(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "notes"), nil, 0o600))
	_, err := Open(context.Background(), dir, Options{})
	require.ErrorIs(t, err, ErrNotStore)
	require.ErrorIs(t, Restore(t.Context(), dir, nil, Options{}), ErrNotStore)
	_, err = Check(t.Context(), dir, Options{})
	require.ErrorIs(t, err, ErrNotStore)
	require.Equal(t, []string{"notes"}, filesIn(t, dir))
}
