//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package lsm

import (
	"context"
	"errors"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/density"
	"github.com/weirstate/weir/internal/vfsworld"
	"github.com/weirstate/weir/lsm/internal/directory"
)

// storeHome is where the store is in each world.
const storeHome = "app/state"

// storePlants are the names of what is put into the directory of a store.
var storePlants = []string{
	directory.CurrentName, directory.LockName, "MANIFEST-000001", "000002.sst", "000003.sst", "000002.log", "CURRENT.tmp", "000090.sst",
	"MANIFEST-000091", "notes",
}

// prepareStore makes the directory of a world what it may be, and then worse.
func prepareStore(t *testing.T, w *vfsworld.World) {
	t.Helper()
	w.Dir(path.Dir(storeHome))
	for _, home := range []string{storeHome, vfsworld.Decoy + "/" + storeHome} {
		switch w.Rand.IntN(4) {
		case 0: // missing
			w.Dir(path.Dir(home))
		case 1:
			w.Dir(home)
		default:
			db := filled(t, w.Path(home))
			if w.Rand.IntN(2) == 0 {
				require.NoError(t, db.Close())
			} else {
				require.NoError(t, errors.Join(db.Flush(context.Background()), db.Put([]byte("later"), []byte("value")), db.Discard()))
			}
		}
	}
	for range w.Rand.IntN(3) {
		w.Plant(storeHome + "/" + storePlants[w.Rand.IntN(len(storePlants))])
	}
}

// requireAllowed holds the changes in a world against what an opener of a store may do:
// make, change and remove regular files with names of its own, in its directory.
func requireAllowed(t *testing.T, changes []vfsworld.Change, home string) {
	t.Helper()
	for _, c := range changes {
		require.True(t, c.Below(home), "%v", c)
		if c.Path == home {
			require.Nil(t, c.Before, "%v", c)
			continue
		}
		require.Equal(t, home, path.Dir(c.Path), "%v", c)
		require.NotEqual(t, directory.OtherFile, directory.KindOf(path.Base(c.Path)), "%v", c)
		for _, e := range []*vfsworld.Entry{c.Before, c.After} {
			require.True(t, e == nil || e.Type == 0, "%v", c)
		}
	}
}

// Whatever lies around, opening a store, working in it and closing it changes nothing
// but its own files.
func TestStoreTouchesNothingElseInAnyWorld(t *testing.T) {
	opened, refused := 0, 0
	for seed := range worlds(t) {
		w := vfsworld.New(t, seed)
		prepareStore(t, w)
		name, resolves := w.RandomName(storeHome)
		before := w.Entries()
		w.Run(func() {
			_, err := Check(t.Context(), name, Options{})
			require.Empty(t, w.Changes(before), "seed %d: %v", seed, err)
			db, err := Open(context.Background(), name, Options{})
			if err != nil {
				refused++
				return
			}
			opened++
			require.True(t, resolves, "seed %d: %q", seed, name)
			w.RedirectNames()
			require.NoError(t, db.Put([]byte("new"), []byte("value")), "seed %d", seed)
			require.NoError(t, errors.Join(db.Flush(context.Background()), db.Compact(context.Background()), db.Close()), "seed %d", seed)
		})
		changes := w.Changes(before)
		if !resolves {
			require.Empty(t, changes, "seed %d: %q", seed, name)
		}
		requireAllowed(t, changes, storeHome)
	}
	t.Logf("%d opened, %d refused", opened, refused)
	require.Greater(t, opened, 10)
	require.Greater(t, refused, 10)
}

// The same for what makes a store out of another.
func TestRestoreTouchesNothingElseInAnyWorld(t *testing.T) {
	made, refused := 0, 0
	for seed := range worlds(t) {
		w := vfsworld.New(t, seed)
		prepareStore(t, w)
		name, _ := w.RandomName(storeHome)
		source := filled(t, w.Path("source"))
		before := w.Entries()
		to := "restored/" + strings.Repeat("x", 1+w.Rand.IntN(2))
		w.Run(func() {
			err := Restore(t.Context(), w.Path(to), []Part{{Dir: name}}, Options{})
			if err == nil {
				made++
			} else {
				refused++
			}
			requireAllowedIn(t, w.Changes(before), to)
			err = source.Checkpoint(t.Context(), name)
			if err == nil {
				made++
			}
			w.RedirectNames()
		})
		var rest []vfsworld.Change
		for _, c := range w.Changes(before) {
			if !c.Below("restored") && !c.Below("source") {
				rest = append(rest, c)
			}
		}
		requireAllowed(t, rest, storeHome)
		require.NoError(t, source.Discard())
	}
	t.Logf("%d made, %d refused", made, refused)
	require.Greater(t, made, 5)
	require.Greater(t, refused, 10)
}

// requireAllowedIn is requireAllowed for a directory whose parent is made as well.
func requireAllowedIn(t *testing.T, changes []vfsworld.Change, home string) {
	t.Helper()
	requireAllowed(t, slices.DeleteFunc(changes, func(c vfsworld.Change) bool {
		return c.Path == path.Dir(home) && c.Before == nil
	}), home)
}

// worlds is how many worlds a test sees.
func worlds(t *testing.T) uint64 {
	return density.Of[uint64](t, 60, 200, 1000)
}
