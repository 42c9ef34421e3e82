package checkpoint_test

import (
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/checkpoint/storagetest"
	"github.com/weirstate/weir/vfs/vfstest"
)

// memoryStores returns an Opener of stores in memory: the same root is the same store.
func memoryStores() storagetest.Opener {
	var mu sync.Mutex
	stores := make(map[string]checkpoint.Objects)
	return func(_ testing.TB, root string) checkpoint.Objects {
		mu.Lock()
		defer mu.Unlock()
		if stores[root] == nil {
			stores[root] = checkpoint.NewMemoryObjects()
		}
		return stores[root]
	}
}

// directoryStores returns an Opener of stores in a temporary directory.
func directoryStores(t *testing.T) storagetest.Opener {
	dir := t.TempDir()
	return func(t testing.TB, root string) checkpoint.Objects {
		files, err := checkpoint.NewFiles(filepath.Join(dir, root))
		require.NoError(t, err)
		return files
	}
}

// memoryFileStores returns an Opener of directories of a file system in memory.
func memoryFileStores() storagetest.Opener {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	return func(t testing.TB, root string) checkpoint.Objects {
		files, err := checkpoint.FilesOn(mem, root)
		require.NoError(t, err)
		return files
	}
}

func TestMemoryIsAStorage(t *testing.T)         { storagetest.Run(t, memoryStores()) }
func TestFilesAreAStorage(t *testing.T)         { storagetest.Run(t, directoryStores(t)) }
func TestFilesInMemoryAreAStorage(t *testing.T) { storagetest.Run(t, memoryFileStores()) }

func TestDefaultCompletedStoreConforms(t *testing.T) {
	for name, open := range map[string]storagetest.Opener{
		"memory": memoryStores(), "files": directoryStores(t), "files in memory": memoryFileStores(),
	} {
		t.Run(name, func(t *testing.T) {
			storagetest.RunCompleted(t, func(t testing.TB, job string) (checkpoint.Completed, error) {
				return checkpoint.OpenEntries(t.Context(), open(t, "root"), job)
			})
		})
	}
}
