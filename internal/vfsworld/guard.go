//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package vfsworld

import (
	"slices"
	"strings"
	"testing"
)

// Guard is a World that checks each operation of the code under test: the operation may change only
// paths that the test's model allows, and no planted entry.
//
// Thread safety: one goroutine.
type Guard struct {
	*World
	t       testing.TB
	seen    Entries         // the entries after the last accepted change
	planted map[string]bool // the paths of protected entries
}

// NewGuard makes a world and records its entries.
func NewGuard(t testing.TB, seed uint64) *Guard {
	g := &Guard{World: New(t, seed), t: t, planted: make(map[string]bool)}
	g.AcceptChanges()
	return g
}

// AcceptChanges accepts all changes so far. The test calls it after its own changes, so that the next
// Watch does not blame the operation for them.
func (g *Guard) AcceptChanges() { g.seen = g.Entries() }

// Plant calls World.Plant and then protects the new entry, unless it is a file or an empty directory.
// In a directory, it protects the files.
func (g *Guard) Plant(path string) (kind string) {
	kind = g.World.Plant(path)
	g.AcceptChanges()
	for found, e := range g.seen {
		isFileBelow := e.Type == 0 && strings.HasPrefix(found, path+"/")
		if isFileBelow || found == path && e.Irregular() {
			g.planted[found] = true
		}
	}
	return kind
}

// Protected returns the sorted paths of the protected entries in a directory and its subdirectories.
func (g *Guard) Protected(below string) (paths []string) {
	for path := range g.planted {
		if strings.HasPrefix(path, below+"/") {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	return paths
}

// Unprotect allows operations to change a planted entry.
func (g *Guard) Unprotect(path string) { delete(g.planted, path) }

// Watch runs an operation. It fails the test if the operation does not end, changes a protected entry,
// or changes a path that may does not allow.
func (g *Guard) Watch(operation string, may func(path string) bool, run func()) {
	g.t.Helper()
	g.Run(run)
	if g.t.Failed() { // require in run ended only the goroutine of Run
		g.t.Fatalf("%s failed", operation)
	}
	for _, c := range g.Changes(g.seen) {
		if g.planted[c.Path] || !may(c.Path) {
			g.t.Fatalf("%s changed %v", operation, c)
		}
	}
	g.AcceptChanges()
}
