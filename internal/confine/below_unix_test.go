//go:build unix

package confine

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/durable"
	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

func TestBelowFollowsNoLinkOnTheWay(t *testing.T) {
	root, err := vfs.Real{}.Resolve(t.TempDir())
	require.NoError(t, err)
	outside := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(outside, "d"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(outside, "d", "f"), []byte("mine"), 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(root, "a"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(root, "f"), nil, 0o600))
	require.NoError(t, os.Symlink(outside, filepath.Join(root, "a", "link")))

	for _, way := range []struct{ root, through string }{
		{root, filepath.Join(root, "a", "link")},
		{filepath.Join(root, "a", "link"), filepath.Join(root, "a", "link")}, // the root was replaced by a link
	} {
		fsys := Below{FS: vfs.Real{}, Root: way.root}
		at := func(name string) string { return filepath.Join(way.through, name) }
		for name, operation := range map[string]func() error{
			"create":     func() error { _, err := fsys.Create(at("d/new")); return err },
			"open":       func() error { _, err := fsys.Open(at("d/f")); return err },
			"remove":     func() error { return fsys.Remove(at("d/f")) },
			"removeall":  func() error { return fsys.RemoveAll(at("d")) },
			"rename":     func() error { return fsys.Rename(at("d/f"), filepath.Join(root, "moved")) },
			"rename to":  func() error { return fsys.Rename(filepath.Join(root, "f"), at("d/moved")) },
			"link":       func() error { return fsys.Link(at("d/f"), filepath.Join(root, "second")) },
			"link to":    func() error { return fsys.Link(filepath.Join(root, "f"), at("d/second")) },
			"mkdir":      func() error { return fsys.MkdirAll(at("new/deeper")) },
			"mkdir sync": func() error { return durable.MkdirAll(fsys, at("new/deeper")) },
			"list":       func() error { _, err := fsys.List(at("d")); return err },
			"stat":       func() error { _, err := fsys.Stat(at("d/f")); return err },
			"lstat":      func() error { _, err := fsys.Lstat(at("d/f")); return err },
			"syncdir":    func() error { return fsys.SyncDir(at("d")) },
			"lock":       func() error { _, err := fsys.Lock(at("d/lock")); return err },
		} {
			require.ErrorIs(t, operation(), vfs.ErrNotRegular)
			require.FileExists(t, filepath.Join(outside, "d", "f"), name)
			entries, err := os.ReadDir(filepath.Join(outside, "d"))
			require.NoError(t, err)
			require.Len(t, entries, 1, name)
			entries, err = os.ReadDir(outside)
			require.NoError(t, err)
			require.Len(t, entries, 1, name)
		}
	}
}

func TestConformance(t *testing.T) {
	vfstest.Run(t, func(t *testing.T) (vfs.FS, string) {
		dir, err := vfs.Real{}.Resolve(t.TempDir())
		require.NoError(t, err)
		return Below{FS: vfs.Real{}, Root: dir}, dir
	})
}
