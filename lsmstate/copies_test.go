package lsmstate

import (
	"context"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/vfs"
)

const copiesDir = "copies"

// copiesOf opens the local copies of an earlier process.
func copiesOf(t *testing.T, fs vfs.FS) *LocalCopies {
	c, err := openLocalCopies(fs, copiesDir)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() }) // some tests close it
	return c
}

// copied returns a snapshot whose tables exist only as local copies: the shelf has lost its files.
func copied(t *testing.T, fs vfs.FS, c *LocalCopies) (*shelf, snapshot.Handle) {
	n, s := largeTask(t, fs, "one"), newShelf(t, fs)
	n.copies = c
	h, err := s.save(n, "first", snapshot.Incremental)
	require.NoError(t, err)
	require.Greater(t, len(h.Files), 3)
	for _, f := range h.Files[1:] {
		require.NoError(t, fs.Rename(filepath.Join(shelfDir, f.Name), "lost-"+f.Name))
	}
	return s, h
}

// find restores the lost files of the shelf.
func find(t *testing.T, fs vfs.FS, h snapshot.Handle) {
	for _, f := range h.Files[1:] {
		require.NoError(t, fs.Rename("lost-"+f.Name, filepath.Join(shelfDir, f.Name)))
	}
}

// restoreWith restores a snapshot into a new backend with its own directory.
func restoreWith(t *testing.T, fs vfs.FS, dir string, c *LocalCopies, s *shelf, h snapshot.Handle) error {
	n := nativeOn(t, fs, dir, 0, 1, func(o *Options) { o.Copies = c })
	if err := n.restore(s, h); err != nil {
		return err
	}
	for i := range 3000 {
		v, ok := n.get(fmt.Sprint(i))
		require.True(t, ok)
		require.Len(t, v, 1000)
	}
	return nil
}

func TestRestoreUsesLocalCopies(t *testing.T) {
	mem := newFS()
	c := copiesOf(t, mem)
	s, h := copied(t, mem, c)
	require.Error(t, restoreWith(t, mem, "none", nil, s, h))
	require.NoError(t, restoreWith(t, mem, "two", c, s, h))
	require.NoError(t, c.Close())
	require.NoError(t, restoreWith(t, mem, "three", copiesOf(t, mem), s, h)) // another process
}

// rewrite replaces the content of a file by a function of it.
func rewrite(t *testing.T, fs vfs.FS, path string, change func([]byte) []byte) {
	in, err := fs.Open(path)
	require.NoError(t, err)
	size, err := in.Size()
	require.NoError(t, err)
	b := make([]byte, size)
	_, err = in.ReadAt(b, 0)
	require.NoError(t, err)
	require.NoError(t, in.Close())
	require.NoError(t, fs.Remove(path))
	out, err := fs.Create(path)
	require.NoError(t, err)
	_, err = out.Write(change(b))
	require.NoError(t, err)
	require.NoError(t, out.Close())
}

// Whatever happened to local copies, or to their directory, since another process made them, the
// restore succeeds with the right rows.
func TestDamagedLocalCopiesAreReadFromTheSource(t *testing.T) {
	for name, damage := range map[string]func(fs vfs.FS, path string){
		"a bit": func(fs vfs.FS, path string) {
			rewrite(t, fs, path, func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
		},
		"the end":    func(fs vfs.FS, path string) { rewrite(t, fs, path, func(b []byte) []byte { return b[:len(b)-1] }) },
		"everything": func(fs vfs.FS, path string) { require.NoError(t, fs.Remove(path)) },
	} {
		t.Run(name, func(t *testing.T) {
			mem := newFS()
			c := copiesOf(t, mem)
			s, h := copied(t, mem, c)
			require.NoError(t, c.Close())
			c = copiesOf(t, mem)
			for id := range c.lastUse {
				damage(mem, c.path(id))
			}
			require.Error(t, restoreWith(t, mem, "lost", c, s, h))
			find(t, mem, h)
			require.NoError(t, restoreWith(t, mem, "two", c, s, h))
		})
	}
}

// Damage to a table of the tree damages its hard link too. So copies of the same process are verified
// as well.
func TestLocalCopiesOfTheSameProcessAreVerified(t *testing.T) {
	mem := newFS()
	c := copiesOf(t, mem)
	s, h := copied(t, mem, c)
	find(t, mem, h)
	for id := range c.lastUse {
		rewrite(t, mem, c.path(id), func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
	}
	require.NoError(t, restoreWith(t, mem, "two", c, s, h))
	require.Empty(t, c.lastUse, "damaged copies are removed")
}

// No restore uses a copy of a packed table, so damage to it would never be found.
func TestPackedTablesHaveNoLocalCopies(t *testing.T) {
	mem := newFS()
	c := copiesOf(t, mem)
	n, s := nativeOn(t, mem, "one", 0, 1, func(o *Options) {
		o.Copies = c
		o.Picker = idle{} // each flush makes a table
	}), newShelf(t, mem)
	n.set("large", randomText(rand.New(rand.NewPCG(1, 1)), 2*packTableBytes))
	view1(t, n.Backend).Close() // ends an epoch of the tier
	require.NoError(t, n.db.Flush(context.Background()))
	n.set("small", "value")
	h, err := s.save(n, "first", snapshot.Incremental)
	require.NoError(t, err)
	require.Len(t, tablesIn(t, n), 2)
	var want, got []snapshot.Identity
	for _, f := range h.Files[1:] {
		want = append(want, f.Identity)
	}
	for id := range c.lastUse {
		got = append(got, id)
	}
	require.ElementsMatch(t, want, got)
}

// The tables of the last snapshots are kept. Other files in the directory stay.
func TestLocalCopiesAreThoseOfTheLastSnapshots(t *testing.T) {
	mem := newFS()
	require.NoError(t, mem.MkdirAll(copiesDir))
	require.NoError(t, copiesOf(t, mem).Close())
	rewriteNothing, err := mem.Create(filepath.Join(copiesDir, "notes"))
	require.NoError(t, err)
	require.NoError(t, rewriteNothing.Close())
	stale := filepath.Join(copiesDir, hex.EncodeToString(make([]byte, 16)))
	left, err := mem.Create(stale)
	require.NoError(t, err)
	require.NoError(t, left.Close())

	c := copiesOf(t, mem)
	n, s := nativeOn(t, mem, "one", 0, 1, func(o *Options) {
		o.Copies = c
		o.Picker = idle{} // tables change only when the test compacts
	}), newShelf(t, mem)
	var last []map[string]bool
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range 10 {
		n.set(fmt.Sprint(i), randomText(rng, 2*packTableBytes))
		if i%4 == 3 {
			require.NoError(t, n.db.Compact(context.Background()))
		}
		name := fmt.Sprint("s", i)
		_, err := s.save(n, name, snapshot.Incremental)
		require.NoError(t, err)
		last = append(last, tablesIn(t, n))
	}
	names, err := mem.List(copiesDir)
	require.NoError(t, err)
	want := map[string]bool{"notes": true, lockName: true, copiesMarker: true}
	for _, tables := range last[len(last)-keptSnapshots:] {
		for name := range tables {
			want[name] = true
		}
	}
	got := make(map[string]bool)
	for _, name := range names {
		got[name] = true
	}
	require.Equal(t, want, got)
}

// tablesIn returns the names that copies of a task's tables have.
func tablesIn(t *testing.T, n *nativeTask) map[string]bool {
	v, err := n.db.View()
	require.NoError(t, err)
	tables, err := v.Tables(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, tables.Close()); require.NoError(t, v.Close()) }()
	names := make(map[string]bool)
	for _, table := range tables.List() {
		names[hex.EncodeToString(table.Identity[:])] = true
	}
	return names
}

func TestLocalCopiesAreLockedByOneProcess(t *testing.T) {
	mem := newFS()
	copiesOf(t, mem)
	_, err := openLocalCopies(mem, copiesDir)
	require.ErrorIs(t, err, lsm.ErrLocked)
}
