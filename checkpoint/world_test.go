//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/weirstate/weir/internal/density"
	"github.com/weirstate/weir/internal/programs"
	"github.com/weirstate/weir/internal/vfsworld"
	"github.com/weirstate/weir/snapshot"
)

// within reports whether a path is dir or lies in it.
func within(path, dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") }

// world is a directory with links, pipes and directories in the place of objects, and the
// random program that works on it.
type world struct {
	*vfsworld.Guard
	programs.Dice
	root string    // of the storage
	op   operation // for the code within Watch
}

// operation is the test for code that Watch runs on a goroutine of its own. A failure ends that
// goroutine; Watch then fails the program.
type operation struct {
	*testing.T
	r *rapid.T
}

func (o operation) Errorf(format string, args ...any) { o.r.Errorf(format, args...) }
func (o operation) FailNow()                          { o.r.Fail(); runtime.Goexit() }

// tryWorlds runs random programs, each in a world of its own. repeat runs steps, drawn from a
// list whose first ones are more frequent.
func tryWorlds(t *testing.T, test func(w *world, repeat func(times int, steps ...func()))) {
	t.Chdir(".") // undoes later changes
	programs.Try(t, density.Of(t, 4, 20, 1000), func(r *rapid.T) {
		guard := vfsworld.NewGuard(programs.Test(t, r), rapid.Uint64().Draw(r, "world"))
		w := &world{Guard: guard, Dice: programs.Dice{T: r}, root: "app/data", op: operation{t, r}}
		for _, name := range []string{"a", "b", "chk-1/a", "chk-1/b"} { // objects have these names too
			w.File("elsewhere/dir/"+name, "somebody's")
		}
		w.AcceptChanges()
		test(w, func(times int, steps ...func()) {
			w.Repeat(programs.StepsOfRepeat*times, func() { steps[w.IntN(len(steps))]() })
		})
	})
}

// worldFiles compares Files with a map of the objects that they must hold.
type worldFiles struct {
	*world
	files *Files
	holds map[string]string
}

// The storage contains links, pipes and directories, and is opened by many forms of its path. Each
// operation changes only the object that it names.
func TestFilesInAnyWorldTouchNothingElse(t *testing.T) {
	tryWorlds(t, func(w *world, repeat func(int, ...func())) {
		f := &worldFiles{world: w, holds: make(map[string]string)}
		f.open()
		on := func(step func(name string)) func() { return func() { step(f.anyName()) } }
		create := on(f.create)
		repeat(5, create, create, create, on(f.read), on(f.remove), f.list, on(f.lock), on(f.link), on(f.plant), f.open, w.RedirectNames)
		f.list()
	})
}

func (f *worldFiles) anyName() string {
	names := []string{"job/chk-1", "job/chk-1/a", "job/chk-1/b", "job/chk-2/a", "job/completed/a", "job", "job/a", "job/chk-1/a/b"}
	return names[f.IntN(len(names))]
}

// at returns the path of an object in the world; path returns its path on the disk.
func (f *worldFiles) at(name string) string   { return f.root + "/" + name }
func (f *worldFiles) path(name string) string { return f.Path(f.at(name)) }

func (f *worldFiles) open() {
	name, resolves := f.RandomName(f.root)
	f.AcceptChanges()
	f.Watch("open", func(path string) bool { return path == f.root && resolves }, func() {
		files, err := NewFiles(name)
		require.Equal(f.op, resolves, err == nil, "%q: %v", name, err)
		if resolves {
			f.files = files
		}
	})
	if f.files == nil {
		f.open()
	}
}

// mayTouch returns a function that accepts the path of an object and those of its parents, which
// are made and removed with it.
func (f *worldFiles) mayTouch(name string) func(path string) bool {
	return func(path string) bool { return path != f.root && within(path, f.root) && within(f.at(name), path) }
}

// way returns an error if a parent of an object is not a directory.
func (f *worldFiles) way(name string) error {
	for dir := filepath.Dir(f.path(name)); dir != f.Path(f.root); dir = filepath.Dir(dir) {
		if info, err := os.Lstat(dir); err == nil && !info.IsDir() {
			return fmt.Errorf("%s is a %v", dir, info.Mode().Type())
		}
	}
	return nil
}

func (f *worldFiles) create(name string) {
	content := fmt.Sprint(f.IntN(1 << 30))
	_, missing := os.Lstat(f.path(name))
	fails := f.way(name) != nil || missing == nil
	f.Watch("create "+name, f.mayTouch(name), func() {
		err := writeObject(context.Background(), f.files, name, []byte(content))
		require.Equal(f.op, fails, err != nil, "%v", err)
	})
	if !fails {
		f.holds[name] = content
	}
}

func (f *worldFiles) read(name string) {
	f.Watch("read "+name, f.mayTouch(name), func() {
		object, err := f.files.Open(context.Background(), name)
		content, there := f.holds[name]
		require.Equal(f.op, there, err == nil, "%v", err)
		if there {
			require.NoError(f.op, object.Close())
			require.Equal(f.op, content, getObject(f.op, f.files, name))
		}
		if info, err2 := os.Lstat(f.path(name)); !there && err2 == nil && f.way(name) == nil && !info.IsDir() {
			require.ErrorIs(f.op, err, snapshot.ErrNotRegular)
		}
	})
}

// remove removes an object or a link, and directories that are empty then.
func (f *worldFiles) remove(name string) {
	f.Unprotect(f.at(name))
	f.Watch("remove "+name, f.mayTouch(name), func() {
		err := f.files.Remove(context.Background(), name)
		if _, there := f.holds[name]; there {
			require.NoError(f.op, err)
		}
	})
	delete(f.holds, name)
}

func (f *worldFiles) list() {
	f.Watch("list", f.mayTouch("none"), func() {
		listed, err := f.files.List(context.Background(), "")
		require.NoError(f.op, err)
		objects, irregular := make(map[string]bool), make(map[string]bool)
		for _, o := range listed {
			switch {
			case o.Irregular != nil:
				require.ErrorIs(f.op, o.Irregular, snapshot.ErrNotRegular)
				irregular[o.Name] = true
			case path.Base(o.Name) != "notes": // notes are in a planted directory
				objects[o.Name] = true
			}
		}
		require.Equal(f.op, slices.Sorted(maps.Keys(f.holds)), slices.Sorted(maps.Keys(objects)))
		for _, kept := range f.Protected(f.root) {
			require.True(f.op, irregular[strings.TrimPrefix(kept, f.root+"/")] || path.Base(kept) == "notes", kept)
		}
	})
}

func (f *worldFiles) lock(name string) {
	lock := path.Join(path.Dir(f.at(name)), "."+path.Base(name))
	f.Watch("lock "+name, func(path string) bool { return path == lock || f.mayTouch(name)(path) }, func() {
		held, err := f.files.Lock(context.Background(), name)
		if f.way(name) != nil {
			require.Error(f.op, err)
		}
		if err == nil {
			require.NoError(f.op, held.Close())
			require.NoError(f.op, os.Remove(f.Path(lock))) // otherwise its directory would stay
		}
	})
}

func (f *worldFiles) link(name string) {
	const second = "work/second"
	_ = os.Remove(f.Path(second))
	f.AcceptChanges()
	f.Watch("link "+name, func(path string) bool { return path == second }, func() {
		err := f.files.Link(context.Background(), name, f.Path(second))
		_, there := f.holds[name]
		require.Equal(f.op, there, err == nil, "%v", err)
	})
}

// plant puts a link, pipe, directory or file in the place of an object or a directory of objects.
func (f *worldFiles) plant(name string) {
	if f.way(name) != nil || len(f.Protected(f.at(name))) > 0 || slices.Contains(f.Protected(f.root), f.at(name)) {
		return // something was planted there before
	}
	maps.DeleteFunc(f.holds, func(held, _ string) bool { return within(held, name) })
	kind := f.Plant(f.at(name))
	f.T.Log("planted", kind, "at", name)
	if kind == "file" {
		content, err := os.ReadFile(f.path(name))
		require.NoError(f.T, err)
		f.holds[name] = string(content)
	}
}

// worldJob runs a coordinator and restarts it.
type worldJob struct {
	*world
	job string // the job's folder, which may be elsewhere
	rig *rig
	a   *Attempt
}

// Links, pipes and directories lie in the job's folder. The coordinator touches nothing outside
// of it, starts empty only if no entry exists, and keeps files that an unreadable entry may list.
func TestCoordinatorInAnyWorldKeepsFilesThatItCannotRead(t *testing.T) {
	tryWorlds(t, func(w *world, repeat func(int, ...func())) {
		j := &worldJob{world: w, job: w.root + "/job"}
		if w.Halved(1) {
			j.job = "app/big"
			w.Dir(w.root)
			w.Dir(j.job)
			w.Link(w.root+"/job", w.Path(j.job))
		}
		j.restart()
		repeat(1, j.checkpoint, j.checkpoint, j.checkpoint, j.begin, j.collect, j.plant, j.restart, w.RedirectNames)
		require.NoError(w.T, j.rig.Close())
	})
}

// run runs an operation of the coordinator, which may touch everything in the job's folder.
func (j *worldJob) run(operation string, run func()) {
	kept := j.kept()
	for _, path := range j.Protected(j.job) { // the others may be removed with their checkpoints
		if !kept[path] && !isNotes(path) {
			j.Unprotect(path)
		}
	}
	j.Watch(operation, func(path string) bool { return path == j.root || within(path, j.job) && !isNotes(path) }, run)
	for path := range kept {
		_, err := os.Lstat(j.Path(path))
		require.NoError(j.T, err, "%s removed it", operation)
	}
}

// isNotes reports whether a path belongs to a file in a planted directory.
func isNotes(name string) bool { return path.Base(name) == "notes" }

// glob returns the paths in the job's folder that match.
func (j *worldJob) glob(pattern string) (paths []string) {
	found, err := filepath.Glob(filepath.Join(j.Path(j.job), filepath.FromSlash(pattern)))
	require.NoError(j.T, err)
	for _, f := range found {
		paths = append(paths, j.job+filepath.ToSlash(strings.TrimPrefix(f, j.Path(j.job))))
	}
	return paths
}

// typeOf returns the type of the file at a path: 0 for a regular file.
func (j *worldJob) typeOf(path string) (fs.FileMode, bool) {
	info, err := os.Lstat(j.Path(path))
	if err != nil {
		return 0, false
	}
	return info.Mode().Type(), true
}

// kept returns the entries that are not regular files, and the files that they may list.
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

// entries returns the numbers in the completed store, of irregular files too.
func (j *worldJob) entries() map[ID]bool {
	ids := make(map[ID]bool)
	for _, name := range j.glob(completedFolder + "/*") {
		if id, ok := parsePadded[ID](path.Base(name)); ok {
			ids[id] = true
		}
	}
	return ids
}

// restart closes the coordinator and opens another one, like a new process.
func (j *worldJob) restart() {
	name, resolves := j.RandomName(j.root)
	for !resolves {
		name, resolves = j.RandomName(j.root)
	}
	j.AcceptChanges()
	retain := 1 + j.IntN(3)
	j.run("restart", func() {
		if j.rig != nil {
			require.NoError(j.op, j.rig.Close())
			j.rig.runQueued()
		}
		files, err := NewFiles(name)
		require.NoError(j.op, err)
		j.rig = newRig(j.op, Options{Storage: storageWithout(j.op, files), Retain: retain, TolerableFailures: 1 << 20})
	})
	j.begin()
}

func (j *worldJob) begin() {
	before := j.entries()
	j.run("begin", func() {
		a, err := j.rig.Begin(context.Background(), j.rig, oneTask)
		j.rig.runQueued()
		if j.a = a; err != nil {
			j.a = nil
		}
		if err == nil && a.Restored() == nil {
			require.Empty(j.op, before, "it starts empty")
		}
	})
}

// checkpoint tries to take a checkpoint with three files.
func (j *worldJob) checkpoint() {
	if j.a == nil {
		return
	}
	identities := []byte{byte(j.IntN(6)), byte(j.IntN(6)), byte(j.IntN(6))}
	suffix := j.IntN(1 << 30)
	j.run("checkpoint", func() {
		id, err := j.a.Trigger()
		if err != nil {
			return
		}
		j.rig.runQueued()
		u := j.a.Upload(id, "op", 0)
		h := &snapshot.Handle{Keyspace: nativeSpace(u), Format: "native"}
		for i, identity := range identities {
			ref, err := j.file(u, identity, fmt.Sprintf("%d-%d", suffix, i))
			if err != nil {
				u.Decline(err)
				j.rig.runQueued()
				return
			}
			if !slices.ContainsFunc(h.Files, func(f snapshot.FileRef) bool { return f.Identity == ref.Identity }) {
				h.Files = append(h.Files, ref)
			}
		}
		_ = u.Acknowledge(h, nil)
		j.rig.runQueued()
	})
}

// file returns a shared file of the base, or writes a new one.
func (j *worldJob) file(u *Upload, identity byte, suffix string) (snapshot.FileRef, error) {
	ref, ok := u.Confirmed(snapshot.Identity{identity})
	ref.Bounds = nativeSpace(u).Groups
	if ok {
		return ref, nil
	}
	f, ref, err := u.Share(u.Context(), suffix)
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
	dryRun := j.Halved(1)
	j.run("collect", func() { _, _ = j.rig.Collect(context.Background(), dryRun) })
}

// plant puts a link, pipe, directory or file in the place of a file or folder of the job.
func (j *worldJob) plant() {
	paths := append(j.glob("*"), j.glob("*/*")...)
	paths = slices.DeleteFunc(paths, func(name string) bool {
		mode, _ := j.typeOf(name)
		parent, _ := j.typeOf(path.Dir(name))
		switch {
		case parent != fs.ModeDir || mode != 0 && mode != fs.ModeDir || len(j.Protected(name)) > 0:
			return true // something was planted there
		case isNotes(name) || path.Base(name) == "."+lockName:
			return true
		}
		return path.Base(name) == completedFolder // the model would lose its entries
	})
	if len(paths) > 0 {
		name := paths[j.IntN(len(paths))]
		j.T.Log("planted", j.Plant(name), "at", name)
	}
}
