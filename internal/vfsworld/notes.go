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

// Notes are what a world held at some time: by path, what is there.
type Notes map[string]Entry

// Entry is what has a path.
type Entry struct {
	Type    fs.FileMode // 0 for a regular file
	Content string      // of a file, or where a link leads
}

// Irregular reports whether an entry is neither a file nor a directory.
func (e Entry) Irregular() bool { return e.Type != 0 && !e.Type.IsDir() }

// Note notes what the world holds, but for the links that Disturb turns.
func (w *World) Note() Notes {
	notes := make(Notes)
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
		notes[rel] = e
		return nil
	}))
	return notes
}

// Change is one difference between two moments.
type Change struct {
	Path          string
	Before, After *Entry // nil: nothing has the path
}

// String describes the change, for failures.
func (c Change) String() string {
	say := func(e *Entry) string {
		if e == nil {
			return "nothing"
		}
		return fmt.Sprintf("%v of %d bytes", e.Type, len(e.Content))
	}
	return fmt.Sprintf("%s: %s, then %s", c.Path, say(c.Before), say(c.After))
}

// Below reports whether the change is in a directory, or of it.
func (c Change) Below(dir string) bool { return c.Path == dir || strings.HasPrefix(c.Path, dir+"/") }

// Changes returns what was created, changed or removed since the notes were taken, in
// the order of paths.
func (w *World) Changes(before Notes) (changes []Change) {
	after := w.Note()
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
