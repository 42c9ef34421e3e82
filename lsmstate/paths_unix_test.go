//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package lsmstate

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
	"github.com/weirstate/weir/vfs"
)

// A backend that was created by a relative path removes nothing elsewhere after the working directory
// has changed.
func TestBackendStaysWhereItWasOpened(t *testing.T) {
	here, there := t.TempDir(), t.TempDir()
	storeOn(t, vfs.Real{}, filepath.Join(there, "dir/tree"))
	before := treeOf(t, vfs.Real{}, there)
	t.Chdir(here)
	b := fillOn(t, vfs.Real{})
	copies, err := OpenLocalCopies("copies")
	require.NoError(t, err)
	require.NoError(t, b.db.Flush(context.Background()))
	t.Chdir(there)
	require.NoError(t, b.Close())
	copies.forget([16]byte{})
	require.NoError(t, copies.Close())
	require.Equal(t, before, treeOf(t, vfs.Real{}, there))
	t.Chdir(here)
	require.Equal(t, []string{lockName, backendMarker}, namesIn(t, vfs.Real{}))
}

func TestLinksOfABackendAreNotFollowed(t *testing.T) {
	for name, to := range map[string]string{
		treeName: "elsewhere", stagingName: "elsewhere", backendMarker: "elsewhere/oak", lockName: "elsewhere/oak",
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			fileOn(t, vfs.Real{}, "elsewhere/oak")
			b, err := Create("dir", Options{})
			require.NoError(t, err)
			require.NoError(t, b.Close())
			_ = os.Remove(filepath.Join("dir", name))
			require.NoError(t, os.Symlink("../"+to, filepath.Join("dir", name)))
			before := treeOf(t, vfs.Real{}, ".")
			_, err = Create("dir", Options{})
			require.ErrorIs(t, err, ErrNotRegular)
			require.ErrorIs(t, RemoveLeftovers("dir"), ErrNotRegular)
			require.Equal(t, before, treeOf(t, vfs.Real{}, "."))
		})
	}
}

// The first declaration opens the tree, and a restore makes another one. A symbolic link in the place
// of the tree is not followed, even if it leads to a store. A directory whose lock was lost gets
// neither a tree nor a staging directory.
func TestTreeIsOpenedOnlyInADirectoryThatIsStillTheBackends(t *testing.T) {
	mem := newFS()
	n, s := largeTask(t, mem, "one"), newShelf(t, mem)
	h, err := s.save(n, "first", snapshot.Incremental)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		plant func(dir string) error
		want  error
	}{
		"link": {func(dir string) error {
			_ = os.Rename(filepath.Join(dir, treeName), "moved") // fails if there is no tree yet
			return os.Symlink("../elsewhere", filepath.Join(dir, treeName))
		}, ErrNotRegular},
		"lock": {func(dir string) error { return os.Remove(filepath.Join(dir, lockName)) }, ErrLockLost},
	} {
		for _, how := range []string{"declaration", "restore"} {
			t.Run(name+" "+how, func(t *testing.T) {
				t.Chdir(t.TempDir())
				storeOn(t, vfs.Real{}, "elsewhere")
				b, err := Create("dir", Options{Options: state.Options{Keyspace: state.SubtaskKeyspace(0, 1, nativeGroups)}})
				require.NoError(t, err)
				k, err := state.NewKeyed(b, codec.String[string]())
				require.NoError(t, err)
				use := func() error { _, err := state.TimersOf(k, "timers"); return err }
				if how == "restore" {
					n := &nativeTask{t, b, k, valueOn(t, k), listOn(t, k)}
					use = func() error { return n.restore(s, h) }
				}
				require.NoError(t, c.plant("dir"))
				before := treeOf(t, vfs.Real{}, ".")
				require.ErrorIs(t, use(), c.want)
				require.Equal(t, before, treeOf(t, vfs.Real{}, "."))
				_ = b.Close() // Restore may have closed it
				require.Equal(t, before, treeOf(t, vfs.Real{}, "."))
			})
		}
	}
}

// A named pipe or a symbolic link in the place of a copy is neither used nor removed.
func TestIrregularCopiesAreKept(t *testing.T) {
	dir := t.TempDir()
	c, err := OpenLocalCopies(dir)
	require.NoError(t, err)
	require.NoError(t, c.Close())
	pipe, link := filepath.Join(dir, "000102030405060708090a0b0c0d0e0f"), filepath.Join(dir, "0f0102030405060708090a0b0c0d0e0f")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	require.NoError(t, os.Symlink(copiesMarker, link))
	c, err = OpenLocalCopies(dir)
	require.NoError(t, err)
	before := treeOf(t, vfs.Real{}, dir)
	require.Len(t, c.lastUse, 2)
	for id := range c.lastUse {
		require.False(t, c.link(id, filepath.Join(t.TempDir(), "taken")))
	}
	require.Empty(t, c.lastUse)
	require.NoError(t, c.Close())
	c, err = OpenLocalCopies(dir)
	require.NoError(t, err)
	for id := range c.lastUse {
		c.forget(id)
	}
	require.NoError(t, c.Close())
	require.Equal(t, before, treeOf(t, vfs.Real{}, dir))
}
