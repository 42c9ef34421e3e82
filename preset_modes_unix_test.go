//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package weir_test

import (
	"errors"
	"io/fs"
	"net/url"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir"
	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
)

// modeTasks is a job of one subtask that takes incremental checkpoints of a preset.
type modeTasks struct {
	t       *testing.T
	preset  *weir.Preset
	attempt *checkpoint.Attempt
	backend snapshot.Backend
}

// Trigger implements checkpoint.Tasks. So do the next three methods.
func (m *modeTasks) Trigger(trigger checkpoint.Trigger) {
	_, err := m.attempt.Upload(trigger.ID, "op", 0).Snapshot(m.backend, snapshot.Options{Mode: m.preset.Mode}, nil)
	require.NoError(m.t, err)
}
func (m *modeTasks) Complete(checkpoint.Stats)             {}
func (m *modeTasks) Aborted(_ checkpoint.ID, reason error) { require.NoError(m.t, reason) }
func (m *modeTasks) Fail(reason error)                     { require.NoError(m.t, reason) }

// run restores the job, writes, takes two checkpoints, and calls look.
func (m *modeTasks) run(look func()) {
	c, err := checkpoint.NewCoordinator(m.t.Context(), checkpoint.Options{Job: "job", Storage: m.preset.Storage})
	require.NoError(m.t, err)
	m.backend, err = m.preset.Open(state.Options{Keyspace: state.SubtaskKeyspace(0, 1, 8)})
	require.NoError(m.t, err)
	k, v := declareBytes(m.t, m.backend)
	m.attempt, err = c.Begin(m.t.Context(), m, []checkpoint.Subtasks{{Operator: "op", Parallelism: 1}})
	require.NoError(m.t, err)
	require.NoError(m.t, m.attempt.Restore(m.t.Context(), m.backend, "op"))
	for i := range int64(2) {
		require.NoError(m.t, k.SetKey(i))
		require.NoError(m.t, v.Set(make([]byte, 100_000)))
		_, err = m.attempt.TriggerAndWait(m.t.Context())
		require.NoError(m.t, err)
		look()
	}
	require.NoError(m.t, c.Close())
	look()
	require.NoError(m.t, m.backend.Close())
}

// requirePrivate fails the test if other users may read, write or list something below dir. It
// returns the number of files. Files that a background removal removes during the walk are left out.
func requirePrivate(t *testing.T, dir string) (files int) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if path == dir {
			return err // dir was there before
		}
		var info fs.FileInfo
		if err == nil {
			info, err = d.Info()
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if d.IsDir() {
			require.Equal(t, fs.FileMode(0o700), info.Mode().Perm(), "directory %s", path)
			return nil
		}
		files++
		require.Equal(t, fs.FileMode(0o600), info.Mode().Perm(), "file %s", path)
		return nil
	}))
	return files
}

// With the umask 0, which some services have, only the library's own modes keep other users
// out.
func TestFilesAndDirectoriesArePrivateWithUmaskZero(t *testing.T) {
	before := syscall.Umask(0)
	defer syscall.Umask(before)
	for name, query := range map[string]string{
		"fs":            "fs+file://DIR/checkpoints?inline=0B",
		"lsm":           "lsm+file://DIR/checkpoints?inline=0B&local-recovery=true&budget=8MiB&dir=DIR/local",
		"lsm portable":  "lsm+file://DIR/checkpoints?snapshots=portable&dir=DIR/local",
		"lsm temporary": "lsm+file://DIR/checkpoints",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			t.Setenv("TMPDIR", dir)
			preset, err := weir.Open(t.Context(), strings.ReplaceAll(query, "DIR", (&url.URL{Path: dir}).EscapedPath()))
			require.NoError(t, err)
			files := 0
			for range 2 { // the second one restores
				(&modeTasks{t: t, preset: preset}).run(func() { files = max(files, requirePrivate(t, dir)) })
			}
			require.NoError(t, preset.Close())
			requirePrivate(t, dir)
			require.Greater(t, files, 3)
		})
	}
	t.Run("store with a log", func(t *testing.T) {
		dir := t.TempDir()
		db, err := lsm.Open(t.Context(), filepath.Join(dir, "a", "store"), lsm.Options{Log: lsm.LogSynced})
		require.NoError(t, err)
		require.NoError(t, db.Put([]byte("key"), []byte("value")))
		require.Greater(t, requirePrivate(t, dir), 3)
		require.NoError(t, db.Flush(t.Context()))
		require.Greater(t, requirePrivate(t, dir), 3)
		require.NoError(t, db.Close())
		requirePrivate(t, dir)
	})
}
