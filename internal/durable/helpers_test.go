package durable

import (
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

var keepNothing, keepAll = vfstest.CrashOptions{}, vfstest.CrashOptions{Keep: 1}

func keepHalf(seed uint64) vfstest.CrashOptions {
	return vfstest.CrashOptions{Keep: 0.5, Rand: rand.New(rand.NewPCG(seed, 0))}
}

// tree returns the content of a Mem: file names with contents, directories with "dir".
func tree(t *testing.T, m *vfstest.Mem) map[string]string {
	t.Helper()
	found := map[string]string{}
	var walk func(dir string)
	walk = func(dir string) {
		names, err := m.List(dir)
		require.NoError(t, err)
		for _, base := range names {
			name := strings.TrimPrefix(dir+"/"+base, "/")
			info, err := m.Stat(name)
			require.NoError(t, err)
			if info.IsDir() {
				found[name] = "dir"
				walk(name)
			} else {
				found[name] = readFile(t, m, name)
			}
		}
	}
	walk("")
	return found
}

type files = map[string]string

// writeFile creates a file and closes it without a sync.
func writeFile(t *testing.T, fsys vfs.FS, name, content string) {
	t.Helper()
	f, err := fsys.Create(name)
	require.NoError(t, err)
	_, err = f.Write([]byte(content))
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

func readFile(t *testing.T, fsys vfs.FS, name string) string {
	t.Helper()
	content, err := content(fsys, name)
	require.NoError(t, err)
	return content
}

func content(fsys vfs.FS, name string) (string, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	return string(b), err
}

// requireError checks that err wraps target and names the file.
func requireError(t *testing.T, err, target error) {
	t.Helper()
	require.ErrorIs(t, err, target)
	switch err.(type) {
	case *fs.PathError, *os.LinkError:
	default:
		require.Failf(t, "the error does not name the file", "%T: %v", err, err)
	}
}
