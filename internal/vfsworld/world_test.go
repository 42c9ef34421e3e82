//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package vfsworld

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/vfs"
)

// Every name leads to the directory, by the kernel's word, and to another place after
// Disturb if it can; Resolve says the same.
func TestNamesLeadWhereTheySay(t *testing.T) {
	var led, turned int
	for seed := range uint64(200) {
		w := New(t, seed)
		w.Dir("app")
		w.Dir(Decoy + "/app/state")
		there := w.Rand.IntN(2) == 0
		if there {
			w.Dir("app/state")
		}
		name, leads := w.Spell("app/state")
		got, err := vfs.Real{}.Resolve(name)
		require.Equal(t, leads, err == nil, name)
		if !leads {
			require.Error(t, os.Mkdir(name, 0o700), name)
			continue
		}
		led++
		require.Equal(t, w.Path("app/state"), got)
		require.NoError(t, os.Mkdir(filepath.Join(w.Path("app"), "other"), 0o700))
		if !there {
			w.Dir("app/state")
		}
		before, err := os.Stat(name)
		require.NoError(t, err, name)
		want, err := os.Stat(w.Path("app/state"))
		require.NoError(t, err)
		require.True(t, os.SameFile(before, want), name)
		w.Disturb()
		if after, err := os.Stat(name); err != nil || !os.SameFile(after, want) {
			turned++
		}
	}
	require.Greater(t, led, 60)
	require.Greater(t, turned, 30)
}

func TestNotesTellEveryChange(t *testing.T) {
	w := New(t, 1)
	w.File("a/b", "1")
	w.Link("a/c", "b")
	before := w.Note()
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

func TestPlantsAreOfEveryKind(t *testing.T) {
	w := New(t, 1)
	kinds := make(map[string]int)
	for range 200 {
		kinds[w.Plant("a/b")]++
	}
	require.Len(t, kinds, 10)
}
