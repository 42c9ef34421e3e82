package weir_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir"
	"github.com/weirstate/weir/lsmstate"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

// openWritten opens a backend of a preset and writes to it.
func openWritten(t *testing.T, p *weir.Preset) snapshot.Backend {
	t.Helper()
	b, err := p.Open(state.Options{})
	require.NoError(t, err)
	require.NoError(t, writeTo(b))
	return b
}

// writeTo declares a state and writes to it.
func writeTo(b snapshot.Backend) error {
	k, err := state.NewKeyed(b, codec.Int[int64]())
	if err != nil {
		return err
	}
	v, err := state.ValueOf(k, state.ValueDescriptor[int64]{Name: "value", Codec: codec.Int[int64]()})
	if err != nil {
		return err
	}
	return errors.Join(k.SetKey(1), v.Set(1))
}

// crashed returns a copy of a directory as the end of the process leaves it: nothing
// in it is locked.
func crashed(t *testing.T, dir string) string {
	t.Helper()
	image := filepath.Join(t.TempDir(), "image")
	require.NoError(t, os.CopyFS(image, os.DirFS(dir)))
	return image
}

func namesIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// After a crash of a job with four subtasks, one with one subtask works in Dir.
func TestLeftoversOfAnyParallelismAreRemoved(t *testing.T) {
	dir := t.TempDir()
	four, err := weir.LSM(context.Background(), fileURL(t), weir.LSMOptions{Dir: dir})
	require.NoError(t, err)
	for range 4 {
		b := openWritten(t, four)
		defer b.Close()
	}
	image := crashed(t, dir)
	require.Equal(t, []string{"backend-0", "backend-1", "backend-2", "backend-3"}, namesIn(t, image))
	for _, name := range []string{"backend-4", "backend-07", "backend-x"} { // of somebody else
		require.NoError(t, os.MkdirAll(filepath.Join(image, name, "tree"), 0o700))
	}
	one, err := weir.LSM(context.Background(), fileURL(t), weir.LSMOptions{Dir: image})
	require.NoError(t, err)
	b := openWritten(t, one)
	require.Equal(t, []string{"backend-0", "backend-07", "backend-4", "backend-x"}, namesIn(t, image))
	require.NoError(t, b.Close())

	// What is in use stays, here that of the four.
	_, err = weir.LSM(context.Background(), fileURL(t), weir.LSMOptions{Dir: dir})
	require.NoError(t, err)
	require.Len(t, namesIn(t, dir), 4)
	for _, name := range namesIn(t, dir) {
		require.Contains(t, namesIn(t, filepath.Join(dir, name)), "tree")
	}
}

func TestDirOfAPresetStaysWhereItWas(t *testing.T) {
	here, there := t.TempDir(), t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(there, "state/backend-0/tree"), 0o700))
	t.Chdir(here)
	p, err := weir.LSM(context.Background(), fileURL(t), weir.LSMOptions{Dir: "state"})
	require.NoError(t, err)
	t.Chdir(there)
	b := openWritten(t, p)
	require.NoError(t, b.Close())
	require.Equal(t, []string{"backend-0"}, namesIn(t, filepath.Join(here, "state")))
	require.Equal(t, []string{"tree"}, namesIn(t, filepath.Join(there, "state/backend-0")))
	if runtime.GOOS != "windows" { // which removes x/.. before it looks
		_, err = weir.LSM(context.Background(), fileURL(t), weir.LSMOptions{Dir: "none/../state"})
		require.ErrorIs(t, err, os.ErrNotExist)
	}
}

// A link that was planted as the directory of a backend leads nowhere.
func TestPlantedLinkInDirIsRefused(t *testing.T) {
	for _, name := range []string{"backend-0", "copies-0"} {
		dir, elsewhere := t.TempDir(), t.TempDir()
		require.NoError(t, os.MkdirAll(filepath.Join(elsewhere, "tree"), 0o700))
		if runtime.GOOS == "windows" {
			return // links need a privilege there
		}
		require.NoError(t, os.Symlink(elsewhere, filepath.Join(dir, name)))
		p, err := weir.LSM(context.Background(), fileURL(t), weir.LSMOptions{Dir: dir, LocalRecovery: true})
		if err == nil {
			_, err = p.Open(state.Options{})
		}
		require.ErrorIs(t, err, lsmstate.ErrNotRegular)
		require.Equal(t, []string{"tree"}, namesIn(t, elsewhere))
		require.NoError(t, os.RemoveAll(filepath.Join(elsewhere, "tree"))) // an empty one is not used either
		_, err = weir.LSM(context.Background(), fileURL(t), weir.LSMOptions{Dir: dir})
		require.NoError(t, err)
		require.Empty(t, namesIn(t, elsewhere))
	}
}

// A cleaner that removes old files takes the marker and the lock of a directory before the
// tables: after a crash the job goes on in another directory, and its user hears of this one.
func TestDirectoryWithoutItsMarkerIsLeftAloneAndReported(t *testing.T) {
	dir := t.TempDir()
	first, err := weir.LSM(context.Background(), fileURL(t), weir.LSMOptions{Dir: dir, LocalRecovery: true})
	require.NoError(t, err)
	b := openWritten(t, first)
	defer b.Close()
	image := crashed(t, dir)
	for _, name := range []string{"backend-0/WEIR-BACKEND", "backend-0/LOCK", "copies-0/WEIR-COPIES", "copies-0/LOCK"} {
		require.NoError(t, os.Remove(filepath.Join(image, filepath.FromSlash(name))))
	}
	notes := filepath.Join(image, "copies-0", "notes") // there is no copy yet
	require.NoError(t, os.WriteFile(notes, nil, 0o600))
	before := namesIn(t, filepath.Join(image, "backend-0", "tree"))

	var told []error
	options := weir.LSMOptions{Dir: image, LocalRecovery: true, LeftBehind: func(err error) { told = append(told, err) }}
	p, err := weir.LSM(context.Background(), fileURL(t), options)
	require.NoError(t, err)
	for range 2 {
		b := openWritten(t, p)
		defer b.Close()
	}
	require.Equal(t, []string{"backend-0", "backend-1", "backend-2", "copies-0", "copies-1"}, namesIn(t, image))
	require.Equal(t, before, namesIn(t, filepath.Join(image, "backend-0", "tree")))
	require.FileExists(t, notes)
	require.Len(t, told, 2, "each directory once: %v", told)
	for i, name := range []string{"backend-0", "copies-0"} {
		require.ErrorIs(t, told[i], lsmstate.ErrNotStore)
		require.ErrorContains(t, told[i], filepath.Join(image, name))
	}
}
