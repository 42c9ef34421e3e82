//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package lsmstate

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/density"
	"github.com/weirstate/weir/internal/vfsworld"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
	"github.com/weirstate/weir/vfs"
)

// home is the path of the directory in each world.
const home = "app/state"

// plantsOf holds the names in the directory of a backend, or of local copies, under which a world
// plants other entries.
var plantsOf = []string{
	lockName, backendMarker, copiesMarker, treeName, stagingName, "tree/LOCK", "tree/CURRENT", "tree/000002.sst",
	"restore/0.1", "notes", "000102030405060708090a0b0c0d0e0f",
}

// prepare makes one of the valid or invalid directories and then plants entries in it.
func prepare(t *testing.T, w *vfsworld.World) {
	t.Helper()
	for _, home := range []string{home, vfsworld.Decoy + "/" + home} {
		w.Dir(path.Dir(home))
		switch w.Rand.IntN(7) {
		case 0: // missing
		case 1:
			w.Dir(home)
		case 2: // closed
			b, err := Create(w.Path(home), Options{})
			require.NoError(t, err)
			require.NoError(t, b.Close())
		case 3: // crashed
			b, err := Create(w.Path(home), Options{})
			require.NoError(t, err)
			require.NoError(t, b.directory.lock.Close())
			treeOn(t, vfs.Real{}, w.Path(home+"/tree"))
			w.File(home+"/restore/0.1", "a table")
		case 4: // of an earlier version
			treeOn(t, vfs.Real{}, w.Path(home+"/tree"))
			w.File(home+"/LOCK", "")
		case 5: // somebody's store
			storeOn(t, vfs.Real{}, w.Path(home+"/tree"))
		case 6:
			w.File(home+"/WEIR-COPIES", "")
			w.File(home+"/0f0102030405060708090a0b0c0d0e0f", "a table")
		}
	}
	for range w.Rand.IntN(3) {
		w.Plant(home + "/" + plantsOf[w.Rand.IntN(len(plantsOf))])
	}
}

// isOurs is the model. It reports whether a backend may use and clear the directory. It depends only on
// the recorded entries.
func isOurs(before vfsworld.Entries, marker string, earlier func(names map[string]bool) bool) bool {
	names := make(map[string]bool)
	for p := range before {
		if path.Dir(p) == home {
			names[path.Base(p)] = true
		}
	}
	is := func(name string, mode fs.FileMode) bool { e, ok := before[home+"/"+name]; return ok && e.Type == mode }
	switch {
	case names[marker]:
		return is(marker, 0)
	case len(names) == 0 || len(names) == 1 && names[lockName]:
		return true
	}
	return names[lockName] && earlier(names)
}

// write writes to a backend.
func write(b *Backend) error {
	k, err := state.NewKeyed(b, codec.String[string]())
	if err != nil {
		return err
	}
	v, err := state.ValueOf(k, state.ValueDescriptor[string]{Name: "value", Codec: codec.String[string]()})
	if err != nil {
		return err
	}
	return errors.Join(k.SetKey("k"), v.Set("v"), b.db.Flush(context.Background()))
}

// In any world a backend creates and removes only its own files, and only in a directory of its own.
func TestBackendChangesOnlyItsOwnFilesInAnyWorld(t *testing.T) {
	opened, refused := 0, 0
	for seed := range worlds(t) {
		w := vfsworld.New(t, seed)
		prepare(t, w)
		name, resolves := w.RandomName(home)
		before := w.Entries()
		ours := resolves && isOurs(before, backendMarker, func(names map[string]bool) bool {
			current, ok := before[home+"/tree/CURRENT"]
			return ok && current.Type == 0 && len(names) <= 3 && (len(names) == 2 || names[stagingName])
		})
		sweep := w.Rand.IntN(3) == 0
		w.Run(func() {
			if sweep {
				_ = RemoveLeftovers(name)
				return
			}
			b, err := Create(name, Options{})
			if err != nil {
				refused++
				return
			}
			opened++
			require.True(t, ours, "seed %d: %q", seed, name)
			w.RedirectNames()
			require.NoError(t, errors.Join(write(b), b.Close()), "seed %d", seed)
		})
		for _, c := range w.Changes(before) {
			require.True(t, ours, "seed %d, %q: %v", seed, name, c)
			require.True(t, c.Below(home), "seed %d, %q: %v", seed, name, c)
			rest := strings.TrimPrefix(strings.TrimPrefix(c.Path, home), "/")
			mine, _, _ := strings.Cut(rest, "/")
			require.Contains(t, []string{"", lockName, backendMarker, treeName, stagingName}, mine, "seed %d, %q: %v", seed, name, c)
			if !strings.Contains(rest, "/") && c.Before != nil {
				require.False(t, c.Before.Irregular(), "seed %d, %q: %v", seed, name, c)
			}
		}
	}
	t.Logf("%d opened, %d refused", opened, refused)
	require.Greater(t, opened, 5)
	require.Greater(t, refused, 5)
}

// Local copies create and remove only files with the name of a copy.
func TestLocalCopiesChangeOnlyTheirFilesInAnyWorld(t *testing.T) {
	opened, refused := 0, 0
	for seed := range worlds(t) {
		w := vfsworld.New(t, seed)
		prepare(t, w)
		name, resolves := w.RandomName(home)
		before := w.Entries()
		ours := resolves && isOurs(before, copiesMarker, func(names map[string]bool) bool {
			for name := range names {
				if _, ok := parseCopy(name); !ok && name != lockName {
					return false
				}
			}
			return true
		})
		w.Run(func() {
			c, err := OpenLocalCopies(name)
			if err != nil {
				refused++
				return
			}
			opened++
			require.True(t, ours, "seed %d: %q", seed, name)
			w.RedirectNames()
			for id := range c.lastUse {
				c.link(id, w.Path("taken"))
				c.forget(id)
			}
			require.NoError(t, c.Close())
		})
		for _, c := range w.Changes(before) {
			if c.Path == "taken" && c.After.Type == 0 {
				continue
			}
			require.True(t, ours && c.Below(home), "seed %d, %q: %v", seed, name, c)
			_, isCopy := parseCopy(path.Base(c.Path))
			mine := isCopy || c.Path == home+"/"+copiesMarker && c.After != nil // the marker is renewed
			require.True(t, c.Before == nil || mine && c.Before.Type == 0, "seed %d, %q: %v", seed, name, c)
		}
	}
	t.Logf("%d opened, %d refused", opened, refused)
	require.Greater(t, opened, 5)
	require.Greater(t, refused, 5)
}

// worlds is the number of worlds in a test.
func worlds(t *testing.T) uint64 { return density.Of(t, uint64(50), 300, 10_000) }
