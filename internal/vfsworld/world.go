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
//	... open name, w.Disturb(), go on, close ...
//	for _, change := range w.Changes(before) // each must be one that the test's model allows
//
// The package may know no file format.
package vfsworld

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"
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

// File makes a file and the directories above it. One that is there stays.
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

// Run runs something that MustEnd.
func (w *World) Run(run func()) {
	w.t.Helper()
	MustEnd(w.t, run)
}

// MustEnd runs something that would hang if it waited for a named pipe. Then it fails
// the test, shortly before the test's own deadline.
func MustEnd(t testing.TB, run func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); run() }()
	select {
	case <-done:
	case <-nearDeadline(t):
		t.Fatal("it hangs")
	}
}

// nearDeadline returns a channel that tells shortly before a test's deadline, and never
// if it has none.
func nearDeadline(t testing.TB) <-chan time.Time {
	limited, ok := t.(interface{ Deadline() (time.Time, bool) })
	if !ok {
		return nil
	}
	deadline, ok := limited.Deadline()
	if !ok {
		return nil
	}
	return time.After(time.Until(deadline) - 2*time.Second)
}
