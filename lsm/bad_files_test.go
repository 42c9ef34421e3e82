package lsm

import (
	"bytes"
	"context"
	"encoding/binary"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/lsm/internal/directory"
	"github.com/weirstate/weir/lsm/internal/manifest"
	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
	"github.com/weirstate/weir/wal"
)

// The tests of this file open, check and restore stores with bad files. They expect a typed error and
// no lost data.

// badFile is a file of a store with the wrong content, or a missing file.
type badFile struct {
	name    string
	content []byte // nil if the file is missing
}

// replaceFile replaces or removes a file, and returns the previous file.
func replaceFile(t *testing.T, fsys vfs.FS, f badFile) badFile {
	t.Helper()
	before, err := manifest.ReadFile(fsys, f.name, 1<<20)
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

// storeNames returns the paths of the store's files that have one of the kinds.
func storeNames(t *testing.T, fsys vfs.FS, kinds ...directory.Kind) (names []string) {
	t.Helper()
	all, err := fsys.List("db")
	require.NoError(t, err)
	for _, name := range all {
		for _, kind := range kinds {
			if directory.KindOf(name) == kind {
				names = append(names, "db/"+name)
			}
		}
	}
	require.NotEmpty(t, names)
	return names
}

// requireLosesNothing requires that Open and Check of a store with one bad file fail with the error
// want, and that the store has all its entries after the good file is put back.
func requireLosesNothing(t *testing.T, store string, bad badFile, want error) {
	t.Helper()
	mem := vfstest.NewMem(vfstest.MemOptions{})
	copyFiles(t, mem, "db", vfs.Real{}, filepath.Join("testdata", store))
	good := replaceFile(t, mem, bad)
	o := goldenOptions(t, mem, LogOff)
	report, err := Check(t.Context(), "db", *o)
	require.ErrorIs(t, err, want, "%s", bad.name)
	require.Equal(t, filepath.Base(bad.name), report.Problems[0].File)
	for range 2 {
		_, err := Open(context.Background(), "db", *o)
		require.ErrorIs(t, err, want, "%s", bad.name)
	}
	replaceFile(t, mem, good)
	if strings.HasSuffix(bad.name, directory.CurrentName) || strings.Contains(bad.name, directory.ManifestPrefix) {
		_, err := Check(t.Context(), "db", *o)
		require.NoError(t, err)
	}
	db, err := Open(context.Background(), "db", *o)
	require.NoError(t, err, "%s", bad.name)
	requireContent(t, db, goldenStores[store].want())
	require.NoError(t, db.Close())
}

func TestHalfDeletedStoresAreCorrupt(t *testing.T) {
	for store := range goldenStores {
		mem := vfstest.NewMem(vfstest.MemOptions{})
		copyFiles(t, mem, "db", vfs.Real{}, filepath.Join("testdata", store))
		kinds := []directory.Kind{directory.CurrentFile, directory.ManifestFile, directory.TableFile}
		if store == "v1-open" {
			kinds = append(kinds, directory.LogFile)
		}
		for _, name := range storeNames(t, mem, kinds...) {
			requireLosesNothing(t, store, badFile{name: name}, ErrCorrupt)
			if directory.KindOf(filepath.Base(name)) != directory.LogFile { // a crash may leave an empty or cut log
				requireLosesNothing(t, store, badFile{name, []byte{}}, ErrCorrupt)
				requireLosesNothing(t, store, badFile{name, []byte("other content that is longer than a header")}, ErrCorrupt)
			}
		}
	}
}

// withVersion2 returns content with format version 2 in its header and the right checksum at sumAt.
func withVersion2(content []byte, sumAt int) []byte {
	b := bytes.Clone(content)
	binary.BigEndian.PutUint16(b[8:], 2)
	binary.BigEndian.PutUint64(b[sumAt:], xxhash.Sum64(b[:sumAt]))
	return b
}

func TestLaterFormatsAreRefused(t *testing.T) {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	copyFiles(t, mem, "db", vfs.Real{}, filepath.Join("testdata", "v1-open"))
	content := func(name string) []byte {
		b, err := manifest.ReadFile(mem, name, 1<<20)
		require.NoError(t, err)
		return b
	}
	for _, name := range storeNames(t, mem, directory.TableFile) {
		requireLosesNothing(t, "v1-open", badFile{name, withVersion2(content(name), 32)}, ErrVersion)
	}
	for _, name := range storeNames(t, mem, directory.LogFile, directory.ManifestFile) {
		requireLosesNothing(t, "v1-open", badFile{name, withVersion2(content(name), 28)}, ErrVersion)
	}
	// A manifest file of the current version with an edit of a later version.
	name := storeNames(t, mem, directory.ManifestFile)[0]
	var edits [][]byte
	_, err := wal.Read(context.Background(), mem, name, func(r []byte, _ int64) error {
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
	mem := vfstest.NewMem(vfstest.MemOptions{})
	o := goldenOptions(t, mem, LogOff)
	for _, file := range []string{"photo.jpg", "1.sst", "MANIFEST", "CURRENT.old", "0000001.sst"} {
		require.NoError(t, mem.RemoveAll("db"))
		require.NoError(t, mem.MkdirAll("db"))
		writeFile(t, mem, "db/"+file, []byte("mine"))
		_, err := Open(context.Background(), "db", *o)
		require.ErrorIs(t, err, ErrNotStore, file)
		_, err = Check(t.Context(), "db", *o)
		require.ErrorIs(t, err, ErrNotStore, file)
		require.ErrorIs(t, Restore(t.Context(), "db", nil, *o), ErrNotStore, file)
		require.ErrorIs(t, Restore(t.Context(), "to", []Part{{Dir: "db"}}, *o), ErrNotStore, file)
		b, err := manifest.ReadFile(mem, "db/"+file, 100)
		require.NoError(t, err)
		require.Equal(t, "mine", string(b))
	}
	_, err := Open(context.Background(), "db/0000001.sst", *o)
	require.ErrorIs(t, err, syscall.ENOTDIR)
	_, err = Check(t.Context(), "missing", *o)
	require.Error(t, err)
	require.ErrorIs(t, Restore(t.Context(), "to", []Part{{Dir: "missing"}}, *o), ErrNotStore)
}

func TestFailedOpensLeaveALockedStoreUsable(t *testing.T) {
	for _, fsys := range []vfs.FS{vfstest.NewMem(vfstest.MemOptions{}), vfs.Real{}} {
		dir := filepath.Join(t.TempDir(), "db")
		o := goldenOptions(t, fsys, LogOff)
		db, err := Open(context.Background(), dir, *o)
		require.NoError(t, err)
		require.NoError(t, db.Put([]byte("aa:1"), []byte("value")))
		for range 2 {
			_, err = Open(context.Background(), dir, *o)
			require.ErrorIs(t, err, ErrLocked)
			_, err = Check(t.Context(), dir, *o)
			require.ErrorIs(t, err, ErrLocked)
			require.ErrorIs(t, Restore(t.Context(), dir, nil, *o), ErrLocked)
			require.ErrorIs(t, db.Checkpoint(t.Context(), dir), ErrLocked)
		}
		require.NoError(t, db.Put([]byte("aa:2"), []byte("value")))
		require.NoError(t, db.Close())
		db, err = Open(context.Background(), dir, *o)
		require.NoError(t, err)
		requireContent(t, db, map[string]string{"aa:1": "value", "aa:2": "value"})
		require.NoError(t, db.Close())
	}
}
