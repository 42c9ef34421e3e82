//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package weir_test

import (
	"context"
	"errors"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir"
	"github.com/weirstate/weir/internal/density"
	"github.com/weirstate/weir/internal/vfsworld"
	"github.com/weirstate/weir/lsmstate"
	"github.com/weirstate/weir/state"
)

// presetHome is LSMOptions.Dir in each world, a random directory tree of package vfsworld.
const presetHome = "app/state"

// prepareDir fills presetHome with up to three directories of crashed backends and up to two
// random entries that may have the names of a preset's own.
func prepareDir(t *testing.T, w *vfsworld.World) {
	t.Helper()
	for _, home := range []string{presetHome, vfsworld.Decoy + "/" + presetHome} {
		w.Dir(path.Dir(home))
		for i := range w.Rand.IntN(4) {
			b, err := lsmstate.Create(w.Path(home+"/backend-"+string(rune('0'+i))), lsmstate.Options{})
			require.NoError(t, err)
			require.NoError(t, b.Close())
			w.File(home+"/backend-"+string(rune('0'+i))+"/tree/000002.sst", "a table")
		}
	}
	plants := []string{"backend-0", "backend-1", "backend-2", "backend-7", "backend-01", "copies-0", "copies-1", "notes",
		"backend-0/tree", "backend-0/LOCK", "backend-1/WEIR-BACKEND", "backend-1/tree/000002.sst", "backend-2/restore"}
	for range w.Rand.IntN(3) {
		w.Plant(presetHome + "/" + plants[w.Rand.IntN(len(plants))])
	}
}

// mayTouch reports whether a preset may make change c. It may create presetHome, and it may
// change directories with the names of backends and copies if they were missing, carried the
// marker, or held at most a lock.
func mayTouch(before vfsworld.Entries, c vfsworld.Change) bool {
	rest, below := strings.CutPrefix(c.Path, presetHome)
	if !below || rest == "" {
		return below && c.Before == nil
	}
	parts := strings.Split(rest[1:], "/")
	dir, marker := presetHome+"/"+parts[0], ""
	switch {
	case strings.HasPrefix(parts[0], "backend-") && parts[0] != "backend-01":
		marker = "WEIR-BACKEND"
	case strings.HasPrefix(parts[0], "copies-"):
		marker = "WEIR-COPIES"
	default:
		return false
	}
	if e, ok := before[dir]; ok && !e.Type.IsDir() {
		return false
	}
	if e, ok := before[dir+"/"+marker]; !ok || e.Type != 0 {
		for p := range before {
			if path.Dir(p) == dir && path.Base(p) != "LOCK" {
				return false
			}
		}
	}
	return len(parts) != 2 || c.Before == nil || !c.Before.Irregular()
}

// A preset changes only directories of its own backends, in any directory tree and while
// other processes change it.
func TestPresetChangesOnlyItsOwnDirectoriesInAnyWorld(t *testing.T) {
	worlds := density.Of(t, uint64(30), 200, 10_000)
	opened, refused := 0, 0
	for seed := range worlds {
		w := vfsworld.New(t, seed)
		prepareDir(t, w)
		name, resolves := w.RandomName(presetHome)
		if name == "" {
			continue // an empty Dir means a temporary directory
		}
		storage := fileURL(t)
		before := w.Entries()
		w.Run(func() {
			p, err := weir.LSM(context.Background(), storage, weir.LSMOptions{
				Dir: name, LocalRecovery: w.Rand.IntN(2) == 0, BudgetBytes: 8 << 20,
			})
			if err != nil {
				refused++
				return
			}
			require.True(t, resolves, "seed %d: %q", seed, name)
			w.RedirectNames()
			for range 2 {
				b, err := p.Open(state.Options{})
				if err != nil {
					refused++
					continue
				}
				opened++
				require.NoError(t, errors.Join(writeTo(b), b.Close()), "seed %d", seed)
			}
			require.NoError(t, p.Close())
		})
		for _, c := range w.Changes(before) {
			require.True(t, resolves && mayTouch(before, c), "seed %d, %q: %v", seed, name, c)
		}
	}
	t.Logf("%d opened, %d refused", opened, refused)
	require.Greater(t, opened, 5)
	require.Greater(t, refused, 5)
}
