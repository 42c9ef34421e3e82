package lsm

import (
	"slices"
	"sync"
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

	// memory is held, for reading, by a scan for as long as it copies from the memtable.
	// It is taken after the lock of the store, or without it.
	memory sync.RWMutex
	gone   bool // the memtable was released
}

// release gives the memory of the run back. Scans that still walk it find it gone.
func (r *sealedRun) release() error {
	r.memory.Lock()
	defer r.memory.Unlock()
	r.gone = true
	return releaseTable(r.table)
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
			db.report(r.release())
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

// replaceRuns makes views and iterators refer to files instead of the memory that the
// files were written from, so that nobody keeps it. Views and iterators of one version
// get one again.
func (db *DB) replaceRuns(flushed []*sealedRun, files []*file) {
	replaced := make(map[*version]*version)
	next := func(old *version) *version {
		v, known := replaced[old]
		if !known {
			v = old.withFiles(flushed, files)
			replaced[old] = v
		}
		return v
	}
	for v := range db.views {
		if now := next(v.version); now != nil {
			now.refs++
			db.unref(v.version)
			v.version = now
		}
	}
	for _, w := range db.walks {
		switch {
		case w.live.on:
			w.closeSources() // the next step finds them anew
		case next(w.version) != nil:
			now := next(w.version)
			now.refs++
			db.unref(w.version)
			w.version = now
			w.stale.Store(true)
		}
	}
	for _, v := range replaced {
		if v != nil {
			db.unref(v)
		}
	}
}

// withFiles returns the version with files instead of the runs that they were written
// from, nil if the version has none of those. It has all of them or none: see oldestRuns.
func (v *version) withFiles(flushed []*sealedRun, files []*file) *version {
	n := len(v.memory) - len(flushed)
	if n < 0 || !slices.Equal(v.memory[n:], flushed) {
		return nil
	}
	var added [numLevels][]*file
	added[0] = files
	t, err := v.tree.change(nil, added)
	if err != nil {
		return nil // the memory holds the same data
	}
	return v.without(len(flushed), t)
}
