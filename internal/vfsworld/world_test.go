//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package vfsworld

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/vfs"
)

// The kernel and Resolve agree about each random name: it leads to the directory, or has no target.
// After RedirectNames, many of the names lead to another directory.
func TestRandomNamesLeadToTheirDirectory(t *testing.T) {
	var resolved, redirected int
	for seed := range uint64(200) {
		w := New(t, seed)
		w.Dir("app")
		w.Dir(Decoy + "/app/state")
		exists := w.Rand.IntN(2) == 0
		if exists {
			w.Dir("app/state")
		}
		name, resolves := w.RandomName("app/state")
		got, err := vfs.Real{}.Resolve(name)
		require.Equal(t, resolves, err == nil, name)
		if !resolves {
			require.Error(t, os.Mkdir(name, 0o700), name)
			continue
		}
		resolved++
		require.Equal(t, w.Path("app/state"), got)
		require.NoError(t, os.Mkdir(filepath.Join(w.Path("app"), "other"), 0o700))
		if !exists {
			w.Dir("app/state")
		}
		before, err := os.Stat(name)
		require.NoError(t, err, name)
		want, err := os.Stat(w.Path("app/state"))
		require.NoError(t, err)
		require.True(t, os.SameFile(before, want), name)
		w.RedirectNames()
		if after, err := os.Stat(name); err != nil || !os.SameFile(after, want) {
			redirected++
		}
	}
	require.Greater(t, resolved, 60)
	require.Greater(t, redirected, 30)
}

func TestChangesHoldsEveryChangedEntry(t *testing.T) {
	w := New(t, 1)
	w.File("a/b", "1")
	w.Link("a/c", "b")
	before := w.Entries()
	require.Empty(t, w.Changes(before))
	require.NoError(t, os.WriteFile(w.Path("a/b"), []byte("2"), 0o600))
	require.NoError(t, os.Remove(w.Path("a/c")))
	w.Dir("a/d")
	var paths []string
	for _, c := range w.Changes(before) {
		paths = append(paths, c.Path)
		require.True(t, c.Below("a"))
		require.NotEmpty(t, c.String())
	}
	require.Equal(t, []string{"a/b", "a/c", "a/d"}, paths)
}

func TestPlantMakesEveryKindOfObstacle(t *testing.T) {
	w := New(t, 1)
	kinds := make(map[string]int)
	for range 200 {
		kinds[w.Plant("a/b")]++
	}
	require.Len(t, kinds, 10)
}
