//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package vfsworld

import (
	"slices"
	"strings"
	"testing"
)

// Guard is a world in which operations are watched, one after the other: each may touch
// only what the test's model says, and nothing that was planted.
//
// Thread safety: one goroutine.
type Guard struct {
	*World
	t       testing.TB
	seen    Notes           // the last that is known
	planted map[string]bool // what is kept
}

// NewGuard makes a world and watches it.
func NewGuard(t testing.TB, seed uint64) *Guard {
	g := &Guard{World: New(t, seed), t: t, planted: make(map[string]bool)}
	g.Settle()
	return g
}

// Settle takes note of what the test itself has done.
func (g *Guard) Settle() { g.seen = g.Note() }

// Plant is World.Plant. From then on the guard protects the new entry, unless it is a file or an
// empty directory.
func (g *Guard) Plant(path string) (kind string) {
	kind = g.World.Plant(path)
	g.Settle()
	for found, e := range g.seen {
		isNote := e.Type == 0 && strings.HasPrefix(found, path+"/")
		if isNote || found == path && e.Irregular() {
			g.planted[found] = true
		}
	}
	return kind
}

// Kept returns the paths of what was planted below one, in order.
func (g *Guard) Kept(below string) (paths []string) {
	for path := range g.planted {
		if strings.HasPrefix(path, below+"/") {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	return paths
}

// Forget lets go of something that was planted: the test has it removed.
func (g *Guard) Forget(path string) { delete(g.planted, path) }

// Watch runs an operation and fails the test if it has touched what it may not, or
// has not ended.
func (g *Guard) Watch(operation string, may func(path string) bool, run func()) {
	g.t.Helper()
	g.Run(run)
	if g.t.Failed() { // by require, which ends only the goroutine of Run
		g.t.Fatalf("%s has failed", operation)
	}
	for _, c := range g.Changes(g.seen) {
		if g.planted[c.Path] || !may(c.Path) {
			g.t.Fatalf("%s touched %v", operation, c)
		}
	}
	g.Settle()
}
