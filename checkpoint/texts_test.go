package checkpoint

import (
	"context"
	"errors"
	"net/url"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

func TestErrorTextsNameTheObjectAndTheAllowedValues(t *testing.T) {
	ctx := context.Background()
	_, err := NewStorage(nil, StorageOptions{})
	require.EqualError(t, err, "storage: objects are nil: invalid option")
	_, err = NewStorage(unlimited(), StorageOptions{InlineBytes: 2 << 20})
	require.EqualError(t, err, "storage: InlineBytes is 2097152, want at most 1048576: invalid option")
	for name, want := range map[string]string{"": "the name is empty", "..": "begins with a dot", "a/b": "letters and digits"} {
		_, err = NewCoordinator(ctx, Options{Job: name, Storage: NewMemory(MemoryOptions{})})
		require.ErrorIs(t, err, snapshot.ErrName)
		require.ErrorContains(t, err, want)
	}

	objects := unlimited()
	putObject(t, objects, "job/completed/"+padded(ID(3)), "damaged")
	s, err := openEntries(ctx, objects, "job")
	require.NoError(t, err)
	entries, err := s.List(ctx)
	require.NoError(t, err)
	require.ErrorContains(t, entries[0].Err, `entry "job/completed/0000000000000000003"`)

	files, err := FilesOn(vfstest.NewMem(vfstest.MemOptions{}), "/ck")
	require.NoError(t, err)
	_, err = files.Lock(ctx, "job/lock")
	require.NoError(t, err)
	_, err = files.Lock(ctx, "job/lock")
	require.ErrorIs(t, err, ErrLocked)
	require.ErrorContains(t, err, ".lock")

	for _, lost := range []error{ErrLockLost, vfs.ErrLockLost} {
		require.NotContains(t, lost.Error(), "another owner")
		require.NotContains(t, lost.Error(), ErrLocked.Error())
	}
	require.True(t, errors.Is(ErrLockLost, ErrLocked))
	require.True(t, errors.Is(vfs.ErrLockLost, vfs.ErrLocked))
	require.False(t, errors.Is(ErrLocked, ErrLockLost))
}

// Options are checked before the storage's directory is made.
func TestStorageWithAnOptionOutOfRangeMakesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ck")
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(dir)}
	if filepath.VolumeName(dir) != "" {
		u.Path = "/" + u.Path
	}
	_, err := OpenStorage(context.Background(), u.String(), StorageOptions{InlineBytes: 2 << 20})
	require.ErrorIs(t, err, ErrInvalidOption)
	require.NoDirExists(t, dir)
}
