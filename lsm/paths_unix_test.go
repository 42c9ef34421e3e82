//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package lsm

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/lsm/internal/directory"
)

// With app/current -> releases/7, app/current/../data is app/releases/data.
func TestLinksInTheNameOfAStoreAreResolvedByTheKernel(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(root, "app/releases/7"), 0o700))
	require.NoError(t, os.MkdirAll(filepath.Join(root, "app/releases/8"), 0o700))
	current := filepath.Join(root, "app/current")
	require.NoError(t, os.Symlink("releases/7", current))
	up := filled(t, current+"/../data")
	in := filled(t, current)
	require.NoError(t, os.Remove(current))
	require.NoError(t, os.Symlink("releases/8", current)) // the next release is rolled out
	require.NoError(t, up.Close())
	require.NoError(t, in.Close())
	requireFilled(t, filepath.Join(root, "app/releases/data"))
	requireFilled(t, filepath.Join(root, "app/releases/7"))
	require.Empty(t, filesIn(t, filepath.Join(root, "app/releases/8")))
	require.NoDirExists(t, filepath.Join(root, "app/data"))
}

// With app/current -> releases/7, app/current/../data is app/releases/data, not app/data.
func TestDestroyAndSplitOfResolveLinksAsTheKernelDoes(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(root, "app/releases/7"), 0o700))
	require.NoError(t, os.Symlink("releases/7", filepath.Join(root, "app/current")))
	named, other := filepath.Join(root, "app/releases/data"), filepath.Join(root, "app/data")
	require.NoError(t, filled(t, other).Close())
	name := root + "/app/current/../data"
	_, err := SplitOf(t.Context(), name, Options{})
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, Destroy(name, Options{}), "there is no such store")
	requireFilled(t, other)
	require.NoError(t, filled(t, named).Close())
	_, err = SplitOf(t.Context(), name, Options{})
	require.NoError(t, err)
	require.NoError(t, Destroy(name, Options{}))
	require.NoDirExists(t, named)
	requireFilled(t, other)
	require.Error(t, Destroy("", Options{}))
	_, err = SplitOf(t.Context(), "", Options{})
	require.Error(t, err)
}

// plants replace a file by an irregular one. They also work if no file has that path.
var plants = map[string]func(t *testing.T, path string){
	"link": func(t *testing.T, path string) {
		elsewhere := filepath.Join(t.TempDir(), "copy")
		if err := os.Rename(path, elsewhere); err != nil {
			require.NoError(t, os.WriteFile(elsewhere, []byte("elsewhere"), 0o600))
		}
		require.NoError(t, os.Symlink(elsewhere, path))
		t.Cleanup(func() { require.FileExists(t, elsewhere) })
	},
	"dangling link": func(t *testing.T, path string) {
		_ = os.Remove(path)
		require.NoError(t, os.Symlink("none", path))
	},
	"link to a device": func(t *testing.T, path string) {
		_ = os.Remove(path)
		require.NoError(t, os.Symlink("/dev/zero", path))
	},
	"named pipe": func(t *testing.T, path string) {
		_ = os.Remove(path)
		require.NoError(t, syscall.Mkfifo(path, 0o600))
	},
	"directory": func(t *testing.T, path string) {
		_ = os.Remove(path)
		require.NoError(t, os.Mkdir(path, 0o700))
	},
}

// An Open that blocks on a named pipe or device runs into the time limit of the test binary.
func TestIrregularFileOfAStoreIsRefusedAndNoFileIsRemoved(t *testing.T) {
	for kind, plant := range plants {
		for _, file := range []string{directory.CurrentName, directory.ManifestPrefix, directory.TableSuffix, directory.LogSuffix, directory.LockName} {
			t.Run(kind+"/"+file, func(t *testing.T) {
				dir := t.TempDir()
				o := &Options{Log: LogSynced}
				db, err := Open(context.Background(), dir, *o)
				require.NoError(t, err)
				require.NoError(t, db.Put([]byte("key"), []byte("value")))
				require.NoError(t, db.Flush(context.Background()))
				require.NoError(t, db.Put([]byte("key2"), []byte("value")))
				require.NoError(t, db.Discard()) // like a crash: the log is still needed
				plant(t, filepath.Join(dir, fileIn(t, dir, file)))
				before := filesIn(t, dir)

				_, err = Open(context.Background(), dir, *o)
				require.ErrorIs(t, err, ErrNotRegular)
				require.ErrorContains(t, err, strings.TrimPrefix(kind[:4], "dang"))
				report, err := Check(t.Context(), dir, *o)
				require.ErrorIs(t, err, ErrNotRegular)
				if file != directory.LockName {
					require.ErrorIs(t, err, ErrCorrupt)
					require.Len(t, report.Problems, 1)
				}
				if file == directory.CurrentName || file == directory.ManifestPrefix {
					require.ErrorIs(t, Restore(t.Context(), filepath.Join(t.TempDir(), "to"), []Part{{Dir: dir}}, *o), ErrNotRegular)
				}
				after := filesIn(t, dir)
				if file == directory.LogSuffix { // Open writes a new manifest before it reads the logs
					before, after = withoutManifests(before), withoutManifests(after)
				}
				require.Equal(t, before, after)
			})
		}
	}
}

func withoutManifests(names []string) []string {
	return slices.DeleteFunc(names, func(name string) bool { return strings.HasPrefix(name, directory.ManifestPrefix) })
}

// fileIn returns the name of the first file in dir whose name contains part.
func fileIn(t *testing.T, dir, part string) string {
	t.Helper()
	for _, name := range filesIn(t, dir) {
		if strings.Contains(name, part) {
			return name
		}
	}
	t.Fatalf("no %s in %v", part, filesIn(t, dir))
	return ""
}

func TestIrregularLeftoversAreKeptAndReported(t *testing.T) {
	leftovers := []string{"000090.sst", "000001.log", "MANIFEST-000091", "CURRENT.1.tmp"}
	for kind, plant := range plants {
		t.Run(kind, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, filled(t, dir).Close())
			for _, name := range leftovers {
				plant(t, filepath.Join(dir, name))
			}
			require.NoError(t, os.WriteFile(filepath.Join(dir, "000092.sst"), nil, 0o600)) // a leftover of a crash
			var kept []string
			db, err := Open(context.Background(), dir, Options{Events: Events{LeftBehind: func(err error) {
				require.ErrorIs(t, err, ErrNotRegular)
				kept = append(kept, err.Error())
			}}})
			require.NoError(t, err)
			require.NoError(t, db.Put([]byte("key"), []byte("value")))
			require.NoError(t, db.Close())
			for _, name := range leftovers {
				require.Contains(t, filesIn(t, dir), name)
				require.Contains(t, strings.Join(kept, "\n"), name)
			}
			require.NotContains(t, filesIn(t, dir), "000092.sst")
			requireFilled(t, dir)
		})
	}
}
