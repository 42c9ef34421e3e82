package vfsworld

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Entries holds all entries of a world at one time, by path.
type Entries map[string]Entry

// Entry is a file, a directory, a link or a named pipe.
type Entry struct {
	Type    fs.FileMode // 0 for a regular file
	Content string      // the content of a file, or the target of a link
}

// Irregular reports whether an entry is neither a file nor a directory.
func (e Entry) Irregular() bool { return e.Type != 0 && !e.Type.IsDir() }

// Entries returns all entries of the world except the links that RandomName made, because
// RedirectNames changes those.
func (w *World) Entries() Entries {
	entries := make(Entries)
	w.must(filepath.WalkDir(w.root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == w.root {
			return err
		}
		e := Entry{Type: d.Type()}
		switch {
		case e.Type == 0:
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			e.Content = string(b)
		case e.Type == fs.ModeSymlink:
			if e.Content, err = os.Readlink(path); err != nil {
				return err
			}
		}
		rel := filepath.ToSlash(path[len(w.root)+1:])
		if strings.HasPrefix(rel, "names/") && e.Type == fs.ModeSymlink {
			return nil
		}
		entries[rel] = e
		return nil
	}))
	return entries
}

// Change is the change of one path between two calls of Entries.
type Change struct {
	Path          string
	Before, After *Entry // nil if the path did not exist
}

// String describes the change, for failure messages.
func (c Change) String() string {
	describe := func(e *Entry) string {
		if e == nil {
			return "missing"
		}
		return fmt.Sprintf("%v of %d bytes", e.Type, len(e.Content))
	}
	return fmt.Sprintf("%s: %s, then %s", c.Path, describe(c.Before), describe(c.After))
}

// Below reports whether the changed path is the directory dir or is below it.
func (c Change) Below(dir string) bool { return c.Path == dir || strings.HasPrefix(c.Path, dir+"/") }

// Changes returns the entries that were created, changed or removed since before, sorted by path.
func (w *World) Changes(before Entries) (changes []Change) {
	after := w.Entries()
	all := maps.Clone(before)
	maps.Copy(all, after)
	for _, path := range slices.Sorted(maps.Keys(all)) {
		c := Change{Path: path}
		if e, ok := before[path]; ok {
			c.Before = &e
		}
		if e, ok := after[path]; ok {
			c.After = &e
		}
		if c.Before == nil || c.After == nil || *c.Before != *c.After {
			changes = append(changes, c)
		}
	}
	return changes
}
