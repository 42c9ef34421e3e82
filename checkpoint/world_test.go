//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package checkpoint

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/density"
	"github.com/weirstate/weir/internal/vfsworld"
	"github.com/weirstate/weir/snapshot"
)

var worlds = flag.Int("checkpoint.worlds", 0, "how many generated worlds of links, pipes and directories are gone through; 0 for as many as WEIR_TESTS says")

// within reports whether a path is a directory or lies in it.
func within(path, dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") }

// forEachWorld runs a test in worlds with a directory to open.
func forEachWorld(t *testing.T, test func(t *testing.T, w *vfsworld.Guard, root string)) {
	n := *worlds
	if n == 0 {
		n = density.Of(t, 4, 20, 1000)
	}
	for seed := range n {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Chdir(".") // so that it is undone
			w := vfsworld.NewGuard(t, uint64(seed))
			for _, name := range []string{"a", "b", "chk-1/a", "chk-1/b"} { // that objects have as well
				w.File("elsewhere/dir/"+name, "somebody's")
			}
			w.Settle()
			test(t, w, "app/data")
		})
	}
}

// worldFiles drives Files against a map of what it should hold.
type worldFiles struct {
	*vfsworld.Guard
	t     *testing.T
	root  string
	files *Files
	holds map[string]string
}

// Whatever lies in a storage, an operation touches the object that it names and
// nothing else, wherever the program is and however it has named the storage.
func TestFilesInAnyWorldTouchNothingElse(t *testing.T) {
	forEachWorld(t, func(t *testing.T, w *vfsworld.Guard, root string) {
		f := &worldFiles{Guard: w, t: t, root: root, holds: make(map[string]string)}
		f.open()
		steps := []func(string){f.create, f.create, f.create, f.read, f.remove, f.list, f.lock, f.link, f.plant,
			func(string) { f.open() }, func(string) { w.Disturb() }}
		for range 150 {
			steps[w.Rand.IntN(len(steps))](f.anyName())
		}
		f.list("")
	})
}

func (f *worldFiles) anyName() string {
	names := []string{"job/chk-1", "job/chk-1/a", "job/chk-1/b", "job/chk-2/a", "job/completed/a", "job", "job/a", "job/chk-1/a/b"}
	return names[f.Rand.IntN(len(names))]
}

// at is the path of an object in the world, path that on the disk.
func (f *worldFiles) at(name string) string   { return f.root + "/" + name }
func (f *worldFiles) path(name string) string { return f.Path(f.at(name)) }

func (f *worldFiles) open() {
	name, leads := f.Spell(f.root)
	f.Settle()
	f.Watch("open", func(path string) bool { return path == f.root && leads }, func() {
		files, err := NewFiles(name)
		require.Equal(f.t, leads, err == nil, "%q: %v", name, err)
		if leads {
			f.files = files
		}
	})
	if f.files == nil {
		f.open()
	}
}

// mayTouch is an object, and the directories on its way, which come and go.
func (f *worldFiles) mayTouch(name string) func(path string) bool {
	return func(path string) bool { return path != f.root && within(path, f.root) && within(f.at(name), path) }
}

// way says what is wrong with the directories to an object.
func (f *worldFiles) way(name string) error {
	for dir := filepath.Dir(f.path(name)); dir != f.Path(f.root); dir = filepath.Dir(dir) {
		if info, err := os.Lstat(dir); err == nil && !info.IsDir() {
			return fmt.Errorf("%s is a %v", dir, info.Mode().Type())
		}
	}
	return nil
}

func (f *worldFiles) create(name string) {
	content := fmt.Sprint(f.Rand.Uint64())
	_, missing := os.Lstat(f.path(name))
	fails := f.way(name) != nil || missing == nil
	f.Watch("create "+name, f.mayTouch(name), func() {
		err := writeObject(context.Background(), f.files, name, []byte(content))
		require.Equal(f.t, fails, err != nil, "%v", err)
	})
	if !fails {
		f.holds[name] = content
	}
}

func (f *worldFiles) read(name string) {
	f.Watch("read "+name, f.mayTouch(name), func() {
		object, err := f.files.Open(context.Background(), name)
		content, there := f.holds[name]
		require.Equal(f.t, there, err == nil, "%v", err)
		if there {
			require.NoError(f.t, object.Close())
			require.Equal(f.t, content, getObject(f.t, f.files, name))
		}
		if info, err2 := os.Lstat(f.path(name)); !there && err2 == nil && f.way(name) == nil && !info.IsDir() {
			require.ErrorIs(f.t, err, snapshot.ErrNotRegular)
		}
	})
}

// remove removes an object, or a link itself. A directory goes if it is empty.
func (f *worldFiles) remove(name string) {
	f.Forget(f.at(name))
	f.Watch("remove "+name, f.mayTouch(name), func() {
		err := f.files.Remove(context.Background(), name)
		if _, there := f.holds[name]; there {
			require.NoError(f.t, err)
		}
	})
	delete(f.holds, name)
}

func (f *worldFiles) list(string) {
	f.Watch("list", f.mayTouch("none"), func() {
		listed, err := f.files.List(context.Background(), "")
		require.NoError(f.t, err)
		objects, irregular := make(map[string]bool), make(map[string]bool)
		for _, o := range listed {
			switch {
			case o.Irregular != nil:
				require.ErrorIs(f.t, o.Irregular, snapshot.ErrNotRegular)
				irregular[o.Name] = true
			case path.Base(o.Name) != "notes": // in a directory that was planted
				objects[o.Name] = true
			}
		}
		require.Equal(f.t, slices.Sorted(maps.Keys(f.holds)), slices.Sorted(maps.Keys(objects)))
		for _, kept := range f.Kept(f.root) {
			require.True(f.t, irregular[strings.TrimPrefix(kept, f.root+"/")] || path.Base(kept) == "notes", kept)
		}
	})
}

func (f *worldFiles) lock(name string) {
	lock := path.Join(path.Dir(f.at(name)), "."+path.Base(name))
	f.Watch("lock "+name, func(path string) bool { return path == lock || f.mayTouch(name)(path) }, func() {
		held, err := f.files.Lock(context.Background(), name)
		if f.way(name) != nil {
			require.Error(f.t, err)
		}
		if err == nil {
			require.NoError(f.t, held.Close())
			require.NoError(f.t, os.Remove(f.Path(lock))) // which would keep its directory
		}
	})
}

func (f *worldFiles) link(name string) {
	const second = "work/second"
	_ = os.Remove(f.Path(second))
	f.Settle()
	f.Watch("link "+name, func(path string) bool { return path == second }, func() {
		err := f.files.Link(context.Background(), name, f.Path(second))
		_, there := f.holds[name]
		require.Equal(f.t, there, err == nil, "%v", err)
	})
}

// plant puts something in the place of an object or a directory of objects.
func (f *worldFiles) plant(name string) {
	if f.way(name) != nil || len(f.Kept(f.at(name))) > 0 || slices.Contains(f.Kept(f.root), f.at(name)) {
		return // there is something
	}
	maps.DeleteFunc(f.holds, func(held, _ string) bool { return within(held, name) })
	kind := f.Plant(f.at(name))
	f.t.Log(kind, "is", name)
	if kind == "file" {
		content, err := os.ReadFile(f.path(name))
		require.NoError(f.t, err)
		f.holds[name] = string(content)
	}
}

// worldJob drives a coordinator, and its restarts.
type worldJob struct {
	*vfsworld.Guard
	t         *testing.T
	root, job string // the job's folder may be elsewhere
	r         *rig
	a         *Attempt
}

// Whatever lies in a job's folder, the coordinator touches nothing outside, begins
// from nothing only if there is no entry, and keeps what an unreadable one may refer to.
func TestCoordinatorInAnyWorldKeepsWhatItCannotRead(t *testing.T) {
	forEachWorld(t, func(t *testing.T, w *vfsworld.Guard, root string) {
		j := &worldJob{Guard: w, t: t, root: root, job: root + "/job"}
		if w.Rand.IntN(2) == 0 {
			j.job = "app/big"
			w.Dir(root)
			w.Dir(j.job)
			w.Link(root+"/job", w.Path(j.job))
		}
		j.restart()
		steps := []func(){j.checkpoint, j.checkpoint, j.checkpoint, j.begin, j.collect, j.plant, j.restart,
			w.Disturb}
		for range 40 {
			steps[w.Rand.IntN(len(steps))]()
		}
		require.NoError(t, j.r.Close())
	})
}

// run runs an operation of the coordinator, which may touch what is the job's.
func (j *worldJob) run(operation string, run func()) {
	j.t.Helper()
	kept := j.kept()
	for _, path := range j.Kept(j.job) { // the others may go with their checkpoints
		if !kept[path] && !isNotes(path) {
			j.Forget(path)
		}
	}
	j.Watch(operation, func(path string) bool { return path == j.root || within(path, j.job) && !isNotes(path) }, run)
	for path := range kept {
		_, err := os.Lstat(j.Path(path))
		require.NoError(j.t, err, "%s took it", operation)
	}
}

// isNotes reports whether a path is that of a file in a directory that was planted.
func isNotes(name string) bool { return path.Base(name) == "notes" }

// glob returns the paths in the job's folder that match.
func (j *worldJob) glob(pattern string) (paths []string) {
	found, err := filepath.Glob(filepath.Join(j.Path(j.job), filepath.FromSlash(pattern)))
	require.NoError(j.t, err)
	for _, f := range found {
		paths = append(paths, j.job+filepath.ToSlash(strings.TrimPrefix(f, j.Path(j.job))))
	}
	return paths
}

// typeOf is what has a path: 0 for a file.
func (j *worldJob) typeOf(path string) (fs.FileMode, bool) {
	info, err := os.Lstat(j.Path(path))
	if err != nil {
		return 0, false
	}
	return info.Mode().Type(), true
}

// kept is what an entry that cannot be read is, and may refer to.
func (j *worldJob) kept() map[string]bool {
	kept := make(map[string]bool)
	newest := ID(0)
	for id := range j.entries() {
		entry := fmt.Sprintf("%s/%s/%s", j.job, completedFolder, padded(id))
		if mode, _ := j.typeOf(entry); mode == 0 {
			continue
		}
		kept[entry] = true
		newest = max(newest, id)
		folder := fmt.Sprintf("chk-%d", id)
		if mode, _ := j.typeOf(j.job + "/" + folder); mode == fs.ModeDir {
			for _, name := range j.glob(folder + "/*") {
				kept[name] = true
			}
		}
	}
	for _, name := range j.glob(sharedFolder + "/*") {
		if o, ok := parseSharedName(path.Base(name)); ok && o.id <= newest {
			kept[name] = true
		}
	}
	return kept
}

// entries are the numbers in the completed store, whatever is there.
func (j *worldJob) entries() map[ID]bool {
	ids := make(map[ID]bool)
	for _, name := range j.glob(completedFolder + "/*") {
		if id, ok := parsePadded[ID](path.Base(name)); ok {
			ids[id] = true
		}
	}
	return ids
}

// restart makes a new coordinator, as another process would.
func (j *worldJob) restart() {
	name, leads := j.Spell(j.root)
	for !leads {
		name, leads = j.Spell(j.root)
	}
	j.Settle()
	j.run("restart", func() {
		if j.r != nil {
			require.NoError(j.t, j.r.Close())
			j.r.settle()
		}
		files, err := NewFiles(name)
		require.NoError(j.t, err)
		j.r = newRig(j.t, Options{Storage: storageWithout(j.t, files), Retain: 1 + j.Rand.IntN(3), TolerableFailures: 1 << 20})
	})
	j.begin()
}

func (j *worldJob) begin() {
	before := j.entries()
	j.run("begin", func() {
		a, err := j.r.Begin(context.Background(), j.r, oneTask)
		j.r.settle()
		if j.a = a; err != nil {
			j.a = nil
		}
		if err == nil && a.Restored() == nil {
			require.Empty(j.t, before, "it begins from nothing")
		}
	})
}

// checkpoint takes one, or cannot.
func (j *worldJob) checkpoint() {
	if j.a == nil {
		return
	}
	j.run("checkpoint", func() {
		id, err := j.a.Trigger()
		if err != nil {
			return
		}
		j.r.settle()
		u := j.a.Upload(id, "op", 0)
		h := &snapshot.Handle{Keyspace: nativeSpace(u), Format: "native"}
		for range 3 {
			ref, err := j.file(u, byte(j.Rand.IntN(6)))
			if err != nil {
				u.Decline(err)
				j.r.settle()
				return
			}
			if !slices.ContainsFunc(h.Files, func(f snapshot.FileRef) bool { return f.Identity == ref.Identity }) {
				h.Files = append(h.Files, ref)
			}
		}
		_ = u.Acknowledge(h, nil)
		j.r.settle()
	})
}

// file is a shared file of the checkpoint before, or a new one.
func (j *worldJob) file(u *Upload, identity byte) (snapshot.FileRef, error) {
	ref, ok := u.Confirmed(snapshot.Identity{identity})
	ref.Bounds = nativeSpace(u).Groups
	if ok {
		return ref, nil
	}
	f, ref, err := u.Share(u.Context(), fmt.Sprint(j.Rand.Uint32()))
	if err != nil {
		return ref, err
	}
	if _, err = f.Write([]byte{identity}); err == nil {
		err = f.Commit()
	}
	ref.Identity, ref.Size, ref.Bounds = snapshot.Identity{identity}, 1, nativeSpace(u).Groups
	return ref, errors.Join(err, f.Abort())
}

func (j *worldJob) collect() {
	if j.a == nil {
		return
	}
	j.run("collect", func() { _, _ = j.r.Collect(context.Background(), j.Rand.IntN(2) == 0) })
}

// plant puts something in the place of a thing of the job.
func (j *worldJob) plant() {
	paths := append(j.glob("*"), j.glob("*/*")...)
	paths = slices.DeleteFunc(paths, func(name string) bool {
		mode, _ := j.typeOf(name)
		parent, _ := j.typeOf(path.Dir(name))
		switch {
		case parent != fs.ModeDir || mode != 0 && mode != fs.ModeDir || len(j.Kept(name)) > 0:
			return true // something was planted there
		case isNotes(name) || path.Base(name) == "."+lockName:
			return true
		}
		return path.Base(name) == completedFolder // entries would go of which nobody knows
	})
	if len(paths) > 0 {
		name := paths[j.Rand.IntN(len(paths))]
		j.t.Log(j.Plant(name), "is", name)
	}
}
