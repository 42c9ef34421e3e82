//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package snapshot_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/density"
	"github.com/weirstate/weir/internal/vfsworld"
	"github.com/weirstate/weir/snapshot"
)

// worldDirectory compares a Directory with a map of its expected files.
type worldDirectory struct {
	*vfsworld.Guard
	t     *testing.T
	root  string
	d     *snapshot.Directory
	holds map[string]string
}

// A directory of snapshots may contain any other entries. An operation changes only the file that
// it names, whatever the working directory is and by whatever path the directory was opened.
func TestDirectoryInAnyWorldTouchesNothingElse(t *testing.T) {
	for seed := range density.Of(t, 5, 20, 1000) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Chdir(".") // restores the working directory at the end
			w := vfsworld.NewGuard(t, uint64(seed))
			d := &worldDirectory{Guard: w, t: t, root: "app/data", holds: make(map[string]string)}
			d.open("")
			names := []string{"a", "b", "c", ".a.01234567.tmp"}
			steps := []func(string){d.create, d.create, d.read, d.remove, d.leftovers, d.plant, d.open,
				func(string) { w.RedirectNames() }}
			for range 60 {
				steps[w.Rand.IntN(len(steps))](names[w.Rand.IntN(len(names))])
			}
		})
	}
}

// at returns the path of a file in the world, path the one on disk.
func (d *worldDirectory) at(name string) string   { return d.root + "/" + name }
func (d *worldDirectory) path(name string) string { return d.Path(d.at(name)) }

func (d *worldDirectory) may(name string) func(path string) bool {
	return func(path string) bool { return path == d.at(name) }
}

func (d *worldDirectory) open(string) {
	name, resolves := d.RandomName(d.root)
	d.AcceptChanges()
	d.Watch("open", func(path string) bool { return path == d.root && resolves }, func() {
		opened, err := snapshot.NewDirectory(name)
		require.Equal(d.t, resolves, err == nil, "%q: %v", name, err)
		if resolves {
			d.d = opened
		}
	})
	if d.d == nil {
		d.open("")
	}
}

func (d *worldDirectory) create(name string) {
	content := fmt.Sprint(d.Rand.Uint64())
	_, missing := os.Lstat(d.path(name))
	fails := missing == nil || name[0] == '.'
	d.Watch("create "+name, d.may(name), func() {
		f, err := d.d.Create(context.Background(), name)
		if err == nil {
			_, err = f.Write([]byte(content))
			require.NoError(d.t, err)
			err = errors.Join(f.Commit(), f.Abort())
		}
		require.Equal(d.t, fails, err != nil, "%v", err)
	})
	if !fails {
		d.holds[name] = content
	}
}

func (d *worldDirectory) read(name string) {
	d.Watch("read "+name, d.may("none"), func() {
		object, err := d.d.Open(context.Background(), name)
		content, there := d.holds[name]
		require.Equal(d.t, there, err == nil, "%v", err)
		switch {
		case there:
			read := make([]byte, len(content))
			_, err := object.ReadAt(read, 0)
			require.NoError(d.t, err)
			require.NoError(d.t, object.Close())
			require.Equal(d.t, content, string(read))
		case name[0] == '.':
			require.ErrorIs(d.t, err, snapshot.ErrName)
		case !errors.Is(err, fs.ErrNotExist):
			require.ErrorIs(d.t, err, snapshot.ErrNotRegular)
		}
	})
}

func (d *worldDirectory) remove(name string) {
	if name[0] != '.' {
		d.Unprotect(d.at(name))
	}
	d.Watch("remove "+name, d.may(name), func() { _ = d.d.Remove(name) })
	delete(d.holds, name)
}

// leftovers removes an unfinished file of a crash, and nothing else.
func (d *worldDirectory) leftovers(string) {
	const leftover = ".a.01234567.tmp"
	d.Watch("remove leftovers", d.may(leftover), func() {
		info, missing := os.Lstat(d.path(leftover))
		err := d.d.RemoveLeftovers()
		if missing == nil && !info.Mode().IsRegular() {
			require.ErrorIs(d.t, err, snapshot.ErrNotRegular)
			return // it stays: Watch checks that
		}
		require.NoError(d.t, err)
		require.NoFileExists(d.t, d.path(leftover))
		names, err := d.d.List()
		require.NoError(d.t, err)
		for name := range d.holds {
			require.Contains(d.t, names, name)
		}
	})
}

func (d *worldDirectory) plant(name string) {
	for _, kept := range d.Protected(d.root) {
		if strings.HasPrefix(kept, d.at(name)) {
			return
		}
	}
	delete(d.holds, name)
	kind := d.Plant(d.at(name))
	d.t.Log(kind, "is", name)
	if kind == "file" && name[0] != '.' {
		content, err := os.ReadFile(d.path(name))
		require.NoError(d.t, err)
		d.holds[name] = string(content)
	}
}
