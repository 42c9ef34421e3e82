// Package vfsworld tests code that opens a directory of the real file system. It makes a random
// directory tree with links, named pipes and files of other programs, and random names of a directory
// in it. Afterwards it reports which entries were created, changed or removed.
//
// A test has four steps:
//
//	w := vfsworld.New(t, seed)
//	w.Plant("app/state/CURRENT")                 // any number of obstacles
//	name, resolves := w.RandomName("app/state")  // opening must fail if resolves is false
//	before := w.Entries()
//	... open name, w.RedirectNames(), use it, close ...
//	for _, change := range w.Changes(before)     // the test's model must allow each change
//
// The package must not depend on a file format.
package vfsworld

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/weirstate/weir/internal/await"
)

// World is a temporary directory tree. Its methods take paths relative to its root, with slashes.
//
// A World changes the working directory of the process, so tests that use it cannot run in parallel.
//
// Thread safety: one goroutine.
type World struct {
	Rand *rand.Rand

	t         testing.TB
	root      string
	redirects []redirect
	names     int // number of links made by RandomName
}

// redirect is a new target for a link, or for the working directory if link is empty. RedirectNames
// applies it.
type redirect struct{ link, to string }

// Decoy is the directory to which names lead after RedirectNames.
const Decoy = "decoy"

// foreign is the content of files that the code under test did not write.
const foreign = "somebody's"

// New makes a world. The seed determines its content and all random choices.
func New(t testing.TB, seed uint64) *World {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w := &World{Rand: rand.New(rand.NewPCG(seed, 1)), t: t, root: root}
	before, err := os.Getwd()
	w.must(err)
	t.Cleanup(func() { w.must(os.Chdir(before)) }) // RandomName and RedirectNames change it
	w.Dir("names")
	w.Dir("work/a")
	w.Dir(Decoy + "/place/a")
	w.File("elsewhere/file", foreign)
	w.File("elsewhere/dir/notes", foreign)
	return w
}

// Path returns the absolute path of a path in the world.
func (w *World) Path(path string) string { return filepath.Join(w.root, filepath.FromSlash(path)) }

// Dir makes a directory and its missing parents.
func (w *World) Dir(path string) { w.must(os.MkdirAll(w.Path(path), 0o700)) }

// File makes a file and its missing parents. It does not change an existing file.
func (w *World) File(path, content string) {
	w.must(os.MkdirAll(filepath.Dir(w.Path(path)), 0o700))
	if _, err := os.Lstat(w.Path(path)); err != nil {
		w.must(os.WriteFile(w.Path(path), []byte(content), 0o600))
	}
}

// Link makes a symbolic link with the target to.
func (w *World) Link(path, to string) { w.must(os.Symlink(to, w.Path(path))) }

func (w *World) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// Run runs a function and fails the test if it does not end, for example because it waits for a named
// pipe.
func (w *World) Run(run func()) {
	w.t.Helper()
	await.End(w.t, run)
}
