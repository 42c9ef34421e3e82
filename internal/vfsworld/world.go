// Package vfsworld is for tests of what opens a directory of the real file system: a
// seed makes a directory with whatever may lie around in one, and names for it as
// people write them; notes tell afterwards what was created, changed or removed.
//
// A test goes through four steps:
//
//	w := vfsworld.New(t, seed)
//	w.Plant("app/state/CURRENT")             // as often as it likes
//	name, leads := w.Spell("app/state")      // leads is false if nothing may be opened
//	before := w.Note()
//	... open name, w.Disturb(), use it, close ...
//	for _, change := range w.Changes(before) // each must be one that the test's model allows
//
// The package may know no file format.
package vfsworld

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/weirstate/weir/internal/await"
)

// World is a directory with everything that may lie around. Paths are relative to its
// Root and have slashes. It changes the working directory of the process: tests that
// use it do not run in parallel.
//
// Thread safety: one goroutine.
type World struct {
	Rand *rand.Rand

	t     testing.TB
	root  string
	moves []move
	names int // links made by Spell
}

// move is a link, or the working directory, that Disturb changes.
type move struct{ link, to string }

// Decoy begins the paths of places to which names lead after Disturb.
const Decoy = "decoy"

// New makes a world, whose content depends on the seed only.
func New(t testing.TB, seed uint64) *World {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w := &World{Rand: rand.New(rand.NewPCG(seed, 1)), t: t, root: root}
	before, err := os.Getwd()
	w.must(err)
	t.Cleanup(func() { w.must(os.Chdir(before)) }) // Spell and Disturb change it
	w.Dir("names")
	w.Dir("work/a")
	w.Dir(Decoy + "/place/a")
	w.File("elsewhere/file", "somebody's")
	w.File("elsewhere/dir/notes", "somebody's")
	return w
}

// Path returns the absolute path of one in the world.
func (w *World) Path(path string) string { return filepath.Join(w.root, filepath.FromSlash(path)) }

// Dir makes a directory and those above it.
func (w *World) Dir(path string) { w.must(os.MkdirAll(w.Path(path), 0o700)) }

// File makes a file and the directories above it. It does not change an existing file.
func (w *World) File(path, content string) {
	w.must(os.MkdirAll(filepath.Dir(w.Path(path)), 0o700))
	if _, err := os.Lstat(w.Path(path)); err != nil {
		w.must(os.WriteFile(w.Path(path), []byte(content), 0o600))
	}
}

// Link makes a symbolic link, whose text is that of to.
func (w *World) Link(path, to string) { w.must(os.Symlink(to, w.Path(path))) }

func (w *World) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// Run runs something that must end: what waits for a named pipe would not.
func (w *World) Run(run func()) {
	w.t.Helper()
	await.End(w.t, run)
}
