package weir_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir"
	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
)

func TestClosedPresetLeavesNothingOpen(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	t.Setenv("TMP", temporary)
	p, err := weir.LSM(context.Background(), fileURL(t), weir.LSMOptions{LocalRecovery: true})
	require.NoError(t, err)
	one, err := p.Open(state.Options{})
	require.NoError(t, err)
	two, err := p.Open(state.Options{})
	require.NoError(t, err)
	for _, b := range []snapshot.Backend{one, two} {
		require.ErrorIs(t, p.Close(), lsm.ErrOpen)
		again, err := p.Open(state.Options{})
		require.NoError(t, err, "a refused Close changes nothing")
		require.NoError(t, again.Close())
		require.NoError(t, b.Close())
	}
	require.NoError(t, p.Close())
	require.NoError(t, p.Close())
	b, err := p.Open(state.Options{})
	require.ErrorIs(t, err, state.ErrClosed)
	require.True(t, b == nil)
	left, err := os.ReadDir(temporary)
	require.NoError(t, err)
	require.Empty(t, left, "Close removes the directory that the preset created")
}

// Close keeps a directory that the caller named, and releases its locks: the next preset
// uses the same local copies.
func TestNextPresetUsesTheDirectoryOfAClosedOne(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		p, err := weir.LSM(context.Background(), fileURL(t), weir.LSMOptions{Dir: dir, LocalRecovery: true})
		require.NoError(t, err)
		b, err := p.Open(state.Options{})
		require.NoError(t, err)
		require.NoError(t, b.Close())
		require.NoError(t, p.Close())
	}
	copies, err := filepath.Glob(filepath.Join(dir, "copies-*"))
	require.NoError(t, err)
	require.Len(t, copies, 1, "the second preset took the directory of the first")
}

func TestHeapPresetCanBeClosedTwice(t *testing.T) {
	p, err := weir.Memory(weir.MemoryOptions{})
	require.NoError(t, err)
	require.NoError(t, p.Close())
	require.NoError(t, p.Close())
	require.NoError(t, (&weir.Preset{}).Close())
}

// The preset resolves links and relative paths when it is opened; a later change of the
// working directory has no effect.
func TestDirectoryOfAPresetIsResolvedOnce(t *testing.T) {
	base := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(base, "releases", "7"), 0o700))
	require.NoError(t, os.Mkdir(filepath.Join(base, "other"), 0o700))
	require.NoError(t, os.Symlink("releases/7", filepath.Join(base, "current")))
	for path, want := range map[string]string{"current/../data": "releases/data", "work": "work"} {
		t.Chdir(base)
		p, err := weir.LSM(context.Background(), fileURL(t), weir.LSMOptions{Dir: path, LocalRecovery: true})
		require.NoError(t, err)
		t.Chdir(filepath.Join(base, "other"))
		b, err := p.Open(state.Options{})
		require.NoError(t, err)
		require.DirExists(t, filepath.Join(base, filepath.FromSlash(want), "backend-0"))
		require.DirExists(t, filepath.Join(base, filepath.FromSlash(want), "copies-0"))
		require.NoError(t, b.Close())
		require.NoError(t, p.Close())
		left, err := os.ReadDir(filepath.Join(base, "other"))
		require.NoError(t, err)
		require.Empty(t, left)
	}
}

func TestClosedPresetOpensNoBackend(t *testing.T) {
	memory, err := weir.Memory(weir.MemoryOptions{})
	require.NoError(t, err)
	files, err := weir.Fs(context.Background(), fileURL(t), weir.FsOptions{Index: weir.BTree})
	require.NoError(t, err)
	trees, err := weir.LSM(context.Background(), fileURL(t), weir.LSMOptions{Dir: t.TempDir()})
	require.NoError(t, err)
	for name, p := range map[string]*weir.Preset{"memory": memory, "fs": files, "lsm": trees} {
		b, err := p.Open(state.Options{})
		require.NoError(t, err)
		require.NoError(t, b.Close())
		require.NoError(t, p.Close())
		b, err = p.Open(state.Options{})
		require.True(t, b == nil)
		require.ErrorIs(t, err, state.ErrClosed)
		require.EqualError(t, err, name+" preset is closed")
	}
}

func TestErrorOfCloseCountsOpenBackends(t *testing.T) {
	p, err := weir.LSM(context.Background(), fileURL(t), weir.LSMOptions{Dir: t.TempDir()})
	require.NoError(t, err)
	one, two := openWritten(t, p), openWritten(t, p)
	require.ErrorContains(t, p.Close(), "2 backends are still open")
	require.NoError(t, two.Close())
	require.ErrorContains(t, p.Close(), "1 backend is still open")
	v, err := one.View()
	require.NoError(t, err)
	require.NoError(t, one.Close())
	err = p.Close()
	require.ErrorIs(t, err, lsm.ErrOpen)
	require.ErrorContains(t, err, "a view or an iterator of 1 backend is still open")
	v.Close()
	require.NoError(t, p.Close())
}
