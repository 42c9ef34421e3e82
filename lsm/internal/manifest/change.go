package manifest

import "github.com/weirstate/weir/lsm/internal/version"

// Change is what happens to the tree in one step.
type Change struct {
	Flushed []*version.SealedRun   // the oldest ones, which the tree has from now on
	Removed map[*version.File]bool // those in added as well have only moved, or go on as a part
	Added   [version.NumLevels][]*version.File
}

// Edit describes the change.
func (c *Change) Edit(before *version.Tree) *Edit {
	e := &Edit{}
	for level, files := range before.Levels {
		for _, f := range files {
			if c.Removed[f] {
				e.Removed = append(e.Removed, Location{level, f.Number})
			}
		}
	}
	for level, files := range c.Added {
		for _, f := range files {
			e.Added = append(e.Added, LevelTable{level, f.FileMeta})
		}
	}
	return e
}
