package durable

import (
	"io"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/confine"
	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

// eachSystem runs a test on every file system, in an empty directory.
func eachSystem(t *testing.T, test func(t *testing.T, fsys vfs.FS, at func(name string) string)) {
	root := t.TempDir()
	for name, fsys := range map[string]vfs.FS{
		"Real":   vfs.Real{},
		"Mem":    vfstest.NewMem(vfstest.MemOptions{}),
		"Faulty": vfstest.NewFaulty(vfstest.NewMem(vfstest.MemOptions{}), vfstest.FaultyOptions{}),
		"Below":  confine.Below{FS: vfs.Real{}, Root: root},
	} {
		t.Run(name, func(t *testing.T) {
			dir, err := fsys.Resolve(filepath.Join(root, name))
			require.NoError(t, err)
			require.NoError(t, fsys.MkdirAll(dir))
			test(t, fsys, func(name string) string { return filepath.Join(dir, name) })
		})
	}
}

func TestMkdirAllMakesMissingDirectories(t *testing.T) {
	eachSystem(t, func(t *testing.T, fsys vfs.FS, at func(string) string) {
		require.NoError(t, MkdirAll(fsys, at("d/e/f")))
		require.NoError(t, MkdirAll(fsys, at("d/e/f")))
		writeFile(t, fsys, at("d/e/f/a"), "")
		requireError(t, MkdirAll(fsys, at("d/e/f/a")), syscall.ENOTDIR)
		requireError(t, MkdirAll(fsys, at("d/e/f/a/b")), syscall.ENOTDIR)
	})
}

func TestPublishReplaces(t *testing.T) {
	eachSystem(t, func(t *testing.T, fsys vfs.FS, at func(string) string) {
		for _, want := range []string{"old", "new"} {
			require.NoError(t, Publish(fsys, at("a"), func(w io.Writer) error {
				_, err := io.WriteString(w, want)
				return err
			}))
			require.Equal(t, want, readFile(t, fsys, at("a")))
		}
		names, err := fsys.List(at("."))
		require.NoError(t, err)
		require.Equal(t, []string{"a"}, names)
	})
}
