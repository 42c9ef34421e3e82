package checkpoint_test

import (
	"context"
	"net/url"
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

func TestURLsOfStoragesHaveNoSecrets(t *testing.T) {
	file := url.URL{Scheme: "file", Path: filepath.ToSlash(t.TempDir())}
	if filepath.VolumeName(file.Path) != "" {
		file.Path = "/" + file.Path
	}
	storagetest.RunURL(t, file.String(), func(rawURL string) error {
		_, err := checkpoint.OpenObjects(t.Context(), rawURL)
		return err
	})
	storagetest.RunURL(t, file.String(), func(rawURL string) error {
		_, err := checkpoint.OpenStorage(t.Context(), rawURL, checkpoint.StorageOptions{})
		return err
	})
	require.NoError(t, checkpoint.RegisterCompleted("kept", func(u *url.URL) (checkpoint.CompletedOpener, error) {
		if u.RawQuery != "" || u.Fragment != "" {
			return nil, checkpoint.ErrURL
		}
		return nil, nil
	}))
	storagetest.RunURL(t, "kept://host1:2181,host2:2181/path", func(rawURL string) error {
		_, err := checkpoint.OpenCompleted(rawURL)
		return err
	})
}

// A storage may have options whose names are similar to those of credentials.
func TestOptionsThatAreNoSecretsAreAccepted(t *testing.T) {
	require.NoError(t, checkpoint.Register("honest", func(context.Context, *url.URL) (checkpoint.Objects, error) {
		return checkpoint.NewMemoryObjects(), nil
	}))
	for _, query := range []string{
		"checksum=crc32", "region=eu-central-1", "endpoint=http://127.0.0.1:9000", "pack=1MiB", "path-style=true", "single-writer=true",
		"completed=zk://host1:2181,host2:2181/weir", "user=weir", "kerberos-keytab=/etc/weir.keytab", "kerberos-principal=weir/host@REALM",
		"kerberos-ccache=/tmp/krb5cc", "authority=x", "kms-key-id=x", "keys=x", "passes=2", "dir=/var/a@b", "session-timeout=5s",
		"endpoint=http://host/a@b", "next=" + url.QueryEscape("a://b?next="+url.QueryEscape("a://b")), "x=%25", "x=100%25", "single=true", "design=x",
	} {
		_, err := checkpoint.OpenObjects(t.Context(), "honest://bucket/prefix?"+query)
		require.NoError(t, err, query)
	}
}

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
