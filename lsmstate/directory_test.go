package lsmstate

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/durable"
	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

// fileOn makes a file and its parent directories.
func fileOn(t *testing.T, fsys vfs.FS, name string) {
	t.Helper()
	require.NoError(t, fsys.MkdirAll(filepath.Dir(name)))
	f, err := fsys.Create(name)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

// treeOf lists all entries below a directory.
func treeOf(t *testing.T, fsys vfs.FS, dir string) (all []string) {
	t.Helper()
	names, err := fsys.List(dir)
	require.NoError(t, err)
	for _, name := range names {
		path := filepath.Join(dir, name)
		all = append(all, path)
		info, err := fsys.Lstat(path)
		require.NoError(t, err)
		if info.IsDir() {
			all = append(all, treeOf(t, fsys, path)...)
		}
	}
	return all
}

// textOn makes a file with the given text.
func textOn(t *testing.T, fsys vfs.FS, name, text string) {
	t.Helper()
	fileOn(t, fsys, name)
	require.NoError(t, fsys.Remove(name))
	f, err := fsys.Create(name)
	require.NoError(t, err)
	_, err = f.Write([]byte(text))
	require.NoError(t, errors.Join(err, f.Close()))
}

// storeOn makes and closes a store with an entry.
func storeOn(t *testing.T, fsys vfs.FS, dir string) { writtenOn(t, dir, &lsm.Options{FS: fsys}) }

// treeOn makes and closes the tree of a backend.
func treeOn(t *testing.T, fsys vfs.FS, dir string) {
	writtenOn(t, dir, &lsm.Options{FS: fsys, Split: splitOf(8)})
}

func writtenOn(t *testing.T, dir string, o *lsm.Options) {
	t.Helper()
	db, err := lsm.Open(context.Background(), dir, *o)
	require.NoError(t, err)
	require.NoError(t, db.Put([]byte("key"), []byte("value")))
	require.NoError(t, db.Close())
}

// somebodyElses makes directories that belong neither to a backend nor to local copies.
var somebodyElses = map[string]func(t *testing.T, fsys vfs.FS){
	"files":          func(t *testing.T, fsys vfs.FS) { fileOn(t, fsys, "dir/notes") },
	"files and lock": func(t *testing.T, fsys vfs.FS) { fileOn(t, fsys, "dir/notes"); fileOn(t, fsys, "dir/LOCK") },
	"folder of trees": func(t *testing.T, fsys vfs.FS) {
		fileOn(t, fsys, "dir/tree/oak")
		fileOn(t, fsys, "dir/restore/chair")
	},
	"folder of trees and lock": func(t *testing.T, fsys vfs.FS) { fileOn(t, fsys, "dir/tree/oak"); fileOn(t, fsys, "dir/LOCK") },
	"store":                    func(t *testing.T, fsys vfs.FS) { storeOn(t, fsys, "dir") },
	"store below":              func(t *testing.T, fsys vfs.FS) { storeOn(t, fsys, "dir/tree") },
	"text in place of a store": func(t *testing.T, fsys vfs.FS) {
		fileOn(t, fsys, "dir/LOCK")
		textOn(t, fsys, "dir/tree/CURRENT", "track 7\n")
		fileOn(t, fsys, "dir/tree/photo.jpg")
	},
	"store of somebody": func(t *testing.T, fsys vfs.FS) { fileOn(t, fsys, "dir/LOCK"); storeOn(t, fsys, "dir/tree") },
	"store and a photo": func(t *testing.T, fsys vfs.FS) {
		fileOn(t, fsys, "dir/LOCK")
		treeOn(t, fsys, "dir/tree")
		fileOn(t, fsys, "dir/tree/photo.jpg")
	},
	"store and a letter": func(t *testing.T, fsys vfs.FS) {
		fileOn(t, fsys, "dir/LOCK")
		treeOn(t, fsys, "dir/tree")
		fileOn(t, fsys, "dir/restore/letter")
	},
	"lock with a text": func(t *testing.T, fsys vfs.FS) {
		textOn(t, fsys, "dir/LOCK", "1234\n")
		treeOn(t, fsys, "dir/tree")
	},
	"store and notes": func(t *testing.T, fsys vfs.FS) {
		treeOn(t, fsys, "dir/tree")
		fileOn(t, fsys, "dir/LOCK")
		fileOn(t, fsys, "dir/notes")
	},
}

func TestForeignDirectoryIsRefusedAndNotChanged(t *testing.T) {
	for name, fill := range somebodyElses {
		t.Run(name, func(t *testing.T) {
			mem := newFS()
			fill(t, mem)
			before := treeOf(t, mem, "dir")
			_, err := Create("dir", Options{FS: mem})
			require.ErrorIs(t, err, ErrNotStore)
			_, err = openLocalCopies(mem, "dir")
			require.ErrorIs(t, err, ErrNotStore)
			require.ErrorIs(t, removeLeftovers(mem, "dir"), ErrNotStore)
			require.Equal(t, before, treeOf(t, mem, "dir"))
		})
	}
}

func TestDirectoryOfAnEarlierVersionIsAccepted(t *testing.T) {
	for _, open := range []bool{true, false} {
		mem := newFS()
		treeOn(t, mem, "dir/tree")
		fileOn(t, mem, "dir/restore/0.1")
		fileOn(t, mem, "dir/restore/file.a-1.sst")
		fileOn(t, mem, "dir/LOCK")
		if open {
			b, err := Create("dir", Options{FS: mem})
			require.NoError(t, err)
			require.Equal(t, []string{lockName, backendMarker}, namesIn(t, mem))
			require.NoError(t, b.Close())
		} else {
			require.NoError(t, removeLeftovers(mem, "dir"))
			require.Empty(t, treeOf(t, mem, "/"))
		}
	}
	mem := newFS()
	fileOn(t, mem, "dir/LOCK")
	fileOn(t, mem, "dir/000102030405060708090a0b0c0d0e0f")
	c, err := openLocalCopies(mem, "dir")
	require.NoError(t, err)
	require.Len(t, c.lastUse, 1)
	require.NoError(t, c.Close())
}

func TestOpenTreeIsNotRemoved(t *testing.T) {
	mem := newFS()
	b, err := Create("dir", Options{FS: mem})
	require.NoError(t, err)
	require.NoError(t, b.Close())
	db, err := lsm.Open(context.Background(), "dir/tree", lsm.Options{FS: mem})
	require.NoError(t, err)
	require.NoError(t, db.Put([]byte("key"), []byte("value")))
	before := treeOf(t, mem, "dir")
	_, err = Create("dir", Options{FS: mem})
	require.ErrorIs(t, err, ErrLocked)
	require.ErrorIs(t, removeLeftovers(mem, "dir"), ErrLocked)
	require.Equal(t, before, treeOf(t, mem, "dir"))
	require.NoError(t, db.Close())
}

// If a cleaner of old files removes a lock of an open backend, no other backend can use the directory,
// and Close removes nothing.
func TestBackendThatLostALockRemovesNothing(t *testing.T) {
	for _, lost := range []string{"dir/LOCK", "dir/tree/LOCK"} {
		mem := newFS()
		b := fillOn(t, mem)
		view, err := b.View()
		require.NoError(t, err)
		require.NoError(t, mem.Remove(lost))
		_, err = Create("dir", Options{FS: mem})
		require.ErrorIs(t, err, ErrLocked)
		before := treeOf(t, mem, "dir")
		require.NoError(t, b.Close()) // the view still refers to the tree
		view.Close()
		require.Equal(t, before, treeOf(t, mem, "dir"))

		b = fillOn(t, mem)
		require.NoError(t, mem.Remove(lost))
		before = treeOf(t, mem, "dir")
		require.ErrorIs(t, b.Close(), ErrLockLost, lost)
		require.Equal(t, before, treeOf(t, mem, "dir"))
		b, err = Create("dir", Options{FS: mem})
		require.NoError(t, err)
		require.NoError(t, b.Close())
		require.Equal(t, []string{lockName, backendMarker}, namesIn(t, mem))
	}
}

func TestLocalCopiesThatLostTheirLockRemoveNothing(t *testing.T) {
	mem := newFS()
	c := copiesOf(t, mem)
	_, h := copied(t, mem, c)
	require.NotEmpty(t, c.lastUse)
	require.NoError(t, mem.Remove(filepath.Join(copiesDir, lockName)))
	before := treeOf(t, mem, copiesDir)
	for _, id := range slices.Collect(maps.Keys(c.lastUse)) {
		c.forget(id)
	}
	require.NotEmpty(t, h.Files)
	require.Equal(t, before, treeOf(t, mem, copiesDir))
}

func TestRemoveLeftoversRemovesFilesOfACrash(t *testing.T) {
	mem := newFS()
	b := fillOn(t, mem)
	require.ErrorIs(t, removeLeftovers(mem, "dir"), ErrLocked)
	crashed := mem.CrashClone(vfstest.CrashOptions{Keep: 1})
	require.NoError(t, b.Close())
	fileOn(t, crashed, "dir/restore/0.1")
	kept := crashed.CrashClone(vfstest.CrashOptions{Keep: 1})
	require.NoError(t, removeLeftovers(crashed, "dir"))
	require.Empty(t, treeOf(t, crashed, "/"))

	fileOn(t, kept, "dir/notes")
	require.NoError(t, removeLeftovers(kept, "dir"))
	require.Equal(t, []string{filepath.FromSlash("/dir"), filepath.FromSlash("/dir/notes")}, treeOf(t, kept, filepath.FromSlash("/")))
	require.ErrorIs(t, removeLeftovers(kept, "none"), ErrNotStore)
}

// If any operation of RemoveLeftovers fails, a second call succeeds.
func TestRemoveLeftoversUnderEveryFault(t *testing.T) {
	mem := newFS()
	b := fillOn(t, mem)
	image := mem.CrashClone(vfstest.CrashOptions{Keep: 1})
	require.NoError(t, b.Close())
	counted := vfstest.NewFaulty(image.CrashClone(vfstest.CrashOptions{Keep: 1}), vfstest.FaultyOptions{})
	require.NoError(t, removeLeftovers(counted, "dir"))
	for n := range counted.Count() {
		left := image.CrashClone(vfstest.CrashOptions{Keep: 1})
		_ = removeLeftovers(vfstest.NewFaulty(left, vfstest.FaultyOptions{Plan: vfstest.FailNth(n, syscall.EIO)}), "dir")
		b, err := Create("dir", Options{FS: left})
		require.NoError(t, err, n)
		require.NoError(t, b.Close())
		require.Equal(t, []string{lockName, backendMarker}, namesIn(t, left))
	}
}

// cuts runs a function on a file system and returns clones of it as a power cut at each operation
// would leave it.
func cuts(mem *vfstest.Mem, run func(fsys vfs.FS)) (all []*vfstest.Mem) {
	run(vfstest.NewFaulty(mem, vfstest.FaultyOptions{After: func(vfstest.Op, string) {
		for seed := range uint64(20) {
			all = append(all, mem.CrashClone(vfstest.CrashOptions{Keep: 0.5, Rand: rand.New(rand.NewPCG(seed, 0))}))
		}
	}}))
	return all
}

// usedOn makes the files of a crashed backend.
func usedOn(t *testing.T) *vfstest.Mem {
	mem := newFS()
	require.NoError(t, durable.MkdirAll(mem, "/dir"))
	b := fillOn(t, mem)
	require.NoError(t, b.db.Flush(context.Background()))
	return mem.CrashClone(vfstest.CrashOptions{Keep: 1})
}

// After a power cut during RemoveLeftovers the next backend accepts the directory.
func TestBackendAcceptsTheDirectoryAfterAPowerCutInARemoval(t *testing.T) {
	for _, cut := range cuts(usedOn(t), func(fsys vfs.FS) { require.NoError(t, removeLeftovers(fsys, dir)) }) {
		require.NoError(t, fillOn(t, cut).Close())
	}
}

// The process that made the marker could not sync it; the next process finds it.
func TestMarkerIsDurableBeforeTheTreeIsMade(t *testing.T) {
	mem := newFS()
	require.NoError(t, durable.MkdirAll(mem, "/dir"))
	_, err := openDirectory(vfstest.NewFaulty(mem, vfstest.FaultyOptions{
		Plan: vfstest.FailFrom(0, vfstest.NotOpened(syscall.EMFILE), vfstest.OpSyncDir),
	}), dir)
	require.ErrorIs(t, err, syscall.EMFILE)
	for _, cut := range cuts(mem, func(fsys vfs.FS) { require.NoError(t, fillOn(t, fsys).Close()) }) {
		require.NoError(t, fillOn(t, cut).Close())
	}
}

// Foreign files in the tree or the staging directory stay. Every call that removes files returns an
// error until they are moved away.
func TestForeignFilesAmongThoseOfABackendStay(t *testing.T) {
	for _, name := range []string{"dir/tree/mine.txt", "dir/tree/folder/mine.txt", "dir/restore/mine.txt", "dir/restore/0.1/mine.txt"} {
		mem := newFS()
		b := fillOn(t, mem)
		fileOn(t, mem, name)
		is := func(err error) {
			t.Helper()
			require.Error(t, err)
			require.True(t, errors.Is(err, ErrNotStore) || errors.Is(err, ErrNotRegular), "%s: %v", name, err)
			require.ErrorContains(t, err, filepath.FromSlash("/dir/"))
			_, statErr := mem.Lstat(name)
			require.NoError(t, statErr)
		}
		is(b.Close())
		left := treeOf(t, mem, "dir")
		require.LessOrEqual(t, len(left), 5, "%s: the backend's files are removed: %v", name, left)
		_, err := Create("dir", Options{FS: mem})
		is(err)
		is(removeLeftovers(mem, "dir"))
		require.NoError(t, mem.RemoveAll(filepath.Dir(name)))
		b, err = Create("dir", Options{FS: mem})
		require.NoError(t, err)
		require.NoError(t, b.Close())
	}
}

// Cleaners remove files by age. A backend renews the marker, so that it is not older than the other
// files.
func TestMarkerIsRenewedWhenABackendOpens(t *testing.T) {
	mem := newFS()
	textOn(t, mem, "dir/WEIR-BACKEND", "old")
	textOn(t, mem, "dir/WEIR-BACKEND.tmp", "cut off")
	b, err := Create("dir", Options{FS: mem})
	require.NoError(t, err)
	info, err := mem.Lstat("dir/WEIR-BACKEND")
	require.NoError(t, err)
	require.EqualValues(t, len(markerText), info.Size())
	require.NoError(t, b.Close())
	require.Equal(t, []string{lockName, backendMarker}, namesIn(t, mem))

	require.NoError(t, mem.Remove("dir/WEIR-BACKEND"))
	fileOn(t, mem, "dir/WEIR-BACKEND.1.tmp") // the temporary file of a marker that was not published
	b, err = Create("dir", Options{FS: mem})
	require.NoError(t, err)
	require.NoError(t, b.Close())
	require.Equal(t, []string{lockName, backendMarker}, namesIn(t, mem))
}

func TestRefusalOfADirectoryNamesItAndAnEntry(t *testing.T) {
	mem := newFS()
	fileOn(t, mem, "some/dir/tree/oak")
	_, err := Create("some/dir", Options{FS: mem})
	require.ErrorContains(t, err, "directory "+filepath.FromSlash("/some/dir")+" has an entry tree and no marker WEIR-BACKEND")
	fileOn(t, mem, "some/dir/LOCK")
	textOn(t, mem, "some/dir/tree/CURRENT", "track 7")
	_, err = Create("some/dir", Options{FS: mem})
	require.ErrorContains(t, err, filepath.FromSlash("/some/dir"))
	require.ErrorContains(t, err, "tree")
}
