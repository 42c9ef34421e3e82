package lsm

import (
	"time"

	"github.com/weirstate/weir/memtable"
)

// sealedRun is a run that the tree does not have yet: in memory, or, if a write
// was too large for that, in a file of its own.
type sealedRun struct {
	number uint64
	table  memtable.Table // nil if there is a file
	file   *file          // of which it is one of the references
	bytes  int64          // of the memtable when it was sealed, to be compared with MemtableBytes
	takes  int64          // of Budget.sealedBytes; 0 once it is in the tree
	sealed time.Time      // when it was, from which on it waits for others
	refs   int            // of versions; the lock of the store
}

// version is all that the store holds but for the active memtable, at one
// moment. It never changes.
//
// Invariant: the runs in memory are newer than those of the tree, and come from
// the newest to the oldest.
type version struct {
	memory []*sealedRun
	tree   *tree
	refs   int // the store's, views', iterators', the flusher's; the lock of the store
}

// What follows is done under the lock of the store.

// newVersion returns a version with one reference.
func newVersion(memory []*sealedRun, t *tree) *version {
	v := &version{memory: memory, tree: t, refs: 1}
	for _, r := range memory {
		r.refs++
	}
	if t.refs++; t.refs == 1 {
		for _, level := range t.levels {
			for _, f := range level {
				f.refs++
			}
		}
	}
	return v
}

// unref gives a reference back. What nobody refers to any more is released:
// memory at once, files by the janitor.
func (db *DB) unref(v *version) {
	if v.refs--; v.refs > 0 {
		return
	}
	for _, r := range v.memory {
		if r.refs--; r.refs > 0 {
			continue
		}
		if r.table != nil {
			r.table.Release()
			db.o.Budget.leave(r)
		} else {
			db.unrefFile(r.file)
		}
	}
	t := v.tree
	if t.refs--; t.refs > 0 {
		return
	}
	for _, level := range t.levels {
		for _, f := range level {
			db.unrefFile(f)
		}
	}
}

func (db *DB) unrefFile(f *file) {
	if f.refs--; f.refs == 0 {
		db.janitor.add(f)
	}
}

// install makes a version the current one.
func (db *DB) install(v *version) {
	old := db.current
	db.current = v
	db.generation++
	db.unref(old)
}

// withRun is the version with a newer run before it.
func (v *version) withRun(r *sealedRun) *version {
	return newVersion(append([]*sealedRun{r}, v.memory...), v.tree)
}

// without is the version in which the oldest runs in memory, so many, are in a tree
// instead.
func (v *version) without(oldest int, t *tree) *version {
	return newVersion(v.memory[:len(v.memory)-oldest], t)
}
