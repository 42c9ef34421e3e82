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

// openWritten opens a backend of p and writes to it.
func openWritten(t *testing.T, p *weir.Preset) snapshot.Backend {
	t.Helper()
	b, err := p.Open(state.Options{})
	require.NoError(t, err)
	require.NoError(t, writeTo(b))
	return b
}

// writeTo declares a value state on b and sets it for one key.
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

// crashed returns a copy of dir as a crash of the process leaves it: with all files, and
// without locks.
func crashed(t *testing.T, dir string) string {
	t.Helper()
	image := filepath.Join(t.TempDir(), "image")
	require.NoError(t, os.CopyFS(image, os.DirFS(dir)))
	return image
}

// namesIn returns the names in dir, sorted.
func namesIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// A job with four subtasks crashes; then a job with one subtask starts in the same Dir.
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
	for _, name := range []string{"backend-4", "backend-07", "backend-x"} { // not named by a preset, or not marked
		require.NoError(t, os.MkdirAll(filepath.Join(image, name, "tree"), 0o700))
	}
	one, err := weir.LSM(context.Background(), fileURL(t), weir.LSMOptions{Dir: image})
	require.NoError(t, err)
	b := openWritten(t, one)
	require.Equal(t, []string{"backend-0", "backend-07", "backend-4", "backend-x"}, namesIn(t, image))
	require.NoError(t, b.Close())

	// Directories in use stay: the first job still has its four.
	_, err = weir.LSM(context.Background(), fileURL(t), weir.LSMOptions{Dir: dir})
	require.NoError(t, err)
	require.Len(t, namesIn(t, dir), 4)
	for _, name := range namesIn(t, dir) {
		require.Contains(t, namesIn(t, filepath.Join(dir, name)), "tree")
	}
}

func TestPresetKeepsItsDirWhenTheWorkingDirectoryChanges(t *testing.T) {
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
	if runtime.GOOS != "windows" { // Windows resolves "none/.." although "none" does not exist
		_, err = weir.LSM(context.Background(), fileURL(t), weir.LSMOptions{Dir: "none/../state"})
		require.ErrorIs(t, err, os.ErrNotExist)
	}
}

// A symbolic link with the name of a backend's directory is not followed.
func TestLinkWithTheNameOfABackendDirectoryIsRefused(t *testing.T) {
	for _, name := range []string{"backend-0", "copies-0"} {
		dir, elsewhere := t.TempDir(), t.TempDir()
		require.NoError(t, os.MkdirAll(filepath.Join(elsewhere, "tree"), 0o700))
		if runtime.GOOS == "windows" {
			return // symbolic links need a privilege
		}
		require.NoError(t, os.Symlink(elsewhere, filepath.Join(dir, name)))
		p, err := weir.LSM(context.Background(), fileURL(t), weir.LSMOptions{Dir: dir, LocalRecovery: true})
		if err == nil {
			_, err = p.Open(state.Options{})
		}
		require.ErrorIs(t, err, lsmstate.ErrNotRegular)
		require.Equal(t, []string{"tree"}, namesIn(t, elsewhere))
		require.NoError(t, os.RemoveAll(filepath.Join(elsewhere, "tree"))) // nor is an empty directory behind the link used
		_, err = weir.LSM(context.Background(), fileURL(t), weir.LSMOptions{Dir: dir})
		require.NoError(t, err)
		require.Empty(t, namesIn(t, elsewhere))
	}
}

// A cleaner that removes old files removes the marker and the lock of a directory before the
// tables, since they are older. After a crash the job uses another directory and reports
// this one to LeftBehind.
func TestDirectoryWithoutItsMarkerIsSkippedAndReported(t *testing.T) {
	dir := t.TempDir()
	first, err := weir.LSM(context.Background(), fileURL(t), weir.LSMOptions{Dir: dir, LocalRecovery: true})
	require.NoError(t, err)
	b := openWritten(t, first)
	defer b.Close()
	image := crashed(t, dir)
	for _, name := range []string{"backend-0/WEIR-BACKEND", "backend-0/LOCK", "copies-0/WEIR-COPIES", "copies-0/LOCK"} {
		require.NoError(t, os.Remove(filepath.Join(image, filepath.FromSlash(name))))
	}
	notes := filepath.Join(image, "copies-0", "notes") // there are no copies yet
	require.NoError(t, os.WriteFile(notes, nil, 0o600))
	before := namesIn(t, filepath.Join(image, "backend-0", "tree"))

	var reported []error
	options := weir.LSMOptions{Dir: image, LocalRecovery: true, LeftBehind: func(err error) { reported = append(reported, err) }}
	p, err := weir.LSM(context.Background(), fileURL(t), options)
	require.NoError(t, err)
	for range 2 {
		b := openWritten(t, p)
		defer b.Close()
	}
	require.Equal(t, []string{"backend-0", "backend-1", "backend-2", "copies-0", "copies-1"}, namesIn(t, image))
	require.Equal(t, before, namesIn(t, filepath.Join(image, "backend-0", "tree")))
	require.FileExists(t, notes)
	require.Len(t, reported, 2, "each directory once: %v", reported)
	for i, name := range []string{"backend-0", "copies-0"} {
		require.ErrorIs(t, reported[i], lsmstate.ErrNotStore)
		require.ErrorContains(t, reported[i], filepath.Join(image, name))
	}
}
