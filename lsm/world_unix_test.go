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

// storeHome is the directory of the store in each world.
const storeHome = "app/state"

// storePlants are the names of the foreign entries that tests put into the directory of a store.
var storePlants = []string{
	directory.CurrentName, directory.LockName, "MANIFEST-000001", "000002.sst", "000003.sst", "000002.log", "CURRENT.tmp", "000090.sst",
	"MANIFEST-000091", "notes",
}

// prepareStore makes the directory of a store missing, empty or a store, and then adds foreign
// entries.
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

// requireAllowed checks that changes in a world are those that Open may make: it may create, change
// and remove regular files with names of the store, in the directory of the store.
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

// A store changes only its own files, whatever other files, links and directories surround it.
func TestStoreChangesOnlyItsOwnFilesInAnyWorld(t *testing.T) {
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

// Restore and Checkpoint change only files of the store that they make.
func TestRestoreChangesOnlyItsOwnFilesInAnyWorld(t *testing.T) {
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

// Destroy removes only the files of the store that it is given, and SplitOf changes nothing.
func TestDestroyRemovesOnlyTheStoreInAnyWorld(t *testing.T) {
	destroyed, refused := 0, 0
	for seed := range worlds(t) {
		w := vfsworld.New(t, seed)
		prepareStore(t, w)
		name, resolves := w.RandomName(storeHome)
		before := w.Entries()
		w.Run(func() {
			_, err := SplitOf(t.Context(), name, Options{})
			require.Empty(t, w.Changes(before), "seed %d: %v", seed, err)
			if Destroy(name, Options{}) == nil {
				destroyed++
			} else {
				refused++
			}
		})
		changes := w.Changes(before)
		if !resolves {
			require.Empty(t, changes, "seed %d: %q", seed, name)
		}
		for _, c := range changes {
			require.Nil(t, c.After, "seed %d: %v", seed, c)
			require.True(t, c.Path == storeHome || path.Dir(c.Path) == storeHome && directory.KindOf(path.Base(c.Path)) != directory.OtherFile,
				"seed %d: %q: %v", seed, name, c)
		}
	}
	t.Logf("%d destroyed, %d refused", destroyed, refused)
}

// requireAllowedIn is requireAllowed for a directory whose parent may be created too.
func requireAllowedIn(t *testing.T, changes []vfsworld.Change, home string) {
	t.Helper()
	requireAllowed(t, slices.DeleteFunc(changes, func(c vfsworld.Change) bool {
		return c.Path == path.Dir(home) && c.Before == nil
	}), home)
}

// worlds returns the number of worlds that a test tries.
func worlds(t *testing.T) uint64 {
	return density.Of[uint64](t, 60, 200, 1000)
}
