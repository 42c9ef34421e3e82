package version

import "slices"

// Version is all data of a store except the active memtable, at one moment. It never changes.
//
// A reader pins a Version by a reference (Ref) and then reads it while flushes and compactions
// install newer ones:
//
//	          active memtable            not part of a Version
//	Version   Memory: run 9, run 8       sealed runs, newest first
//	          Tree:   level 0: run 7, run 6
//	                  level 1 ...
//
//	flush of runs 8 and 9      Version' = Memory: -          Tree' = Tree + 1 file
//	compaction of level 0      Version" = Memory: as before  Tree" = Tree - inputs + outputs
//
// References are counted in two stages: a Version counts for its sealed runs and its Tree, a
// Tree for its files. So versions that share a Tree share its count, and a new Version costs
// no more than its sealed runs; only a new Tree touches all files. When a count drops to 0,
// Set hands the memtable or file to the store, which frees or removes it.
//
// Invariant: Memory is ordered from the newest run to the oldest, and all of its runs are
// newer than all runs of Tree.
//
// Invariant: a file is removed from disk only after no Version refers to it and the manifest
// no longer lists it.
//
// Thread safety: the fields are immutable. The lock of the store guards reference counts.
//
// The scheme is LevelDB's VersionSet (db/version_set.h there).
type Version struct {
	Memory []*SealedRun // sealed runs, the newest first
	Tree   *Tree        // all older runs
	refs   int          // references: of the store, views, iterators and the flusher; guarded by the lock of the store
}

// New returns a version with one reference.
func New(memory []*SealedRun, t *Tree) *Version {
	v := &Version{Memory: memory, Tree: t, refs: 1}
	for _, r := range memory {
		r.refs++
	}
	if t.refs++; t.refs == 1 {
		for _, level := range t.Levels {
			for _, f := range level {
				f.refs++
			}
		}
	}
	return v
}

// Set holds the current version and counts references to it and to older versions that are
// still in use. When the last reference to a memtable or a file is gone, Set passes it to
// onUnusedRun or onUnusedFile.
//
// Thread safety: the caller holds the lock of the store.
type Set struct {
	current      *Version
	generation   uint64
	onUnusedRun  func(*SealedRun) // called with each run whose memtable is no longer referenced
	onUnusedFile func(*File)      // called with each file that is no longer referenced
}

// NewSet returns a set whose current version is empty.
func NewSet(onUnusedRun func(*SealedRun), onUnusedFile func(*File)) Set {
	return Set{current: New(nil, &Tree{}), onUnusedRun: onUnusedRun, onUnusedFile: onUnusedFile}
}

// Current returns the current version. A caller that keeps it after it releases the lock takes
// a reference.
func (s *Set) Current() *Version { return s.current }

// Generation returns the number of versions installed so far.
func (s *Set) Generation() uint64 { return s.generation }

// Install makes v the current version and takes over its reference. The previous version loses
// the reference that the set held.
func (s *Set) Install(v *Version) {
	old := s.current
	s.current = v
	s.generation++
	s.Unref(old)
}

// Unref drops one reference to a version.
func (s *Set) Unref(v *Version) {
	if v.refs--; v.refs == 0 {
		s.release(v)
	}
}

// release drops the references that an unreferenced version holds.
func (s *Set) release(v *Version) {
	for _, r := range v.Memory {
		if r.refs--; r.refs > 0 {
			continue
		}
		switch {
		case r.Table != nil:
			s.onUnusedRun(r)
		case r.File != nil:
			s.unrefFile(r.File)
		}
	}
	t := v.Tree
	if t.refs--; t.refs > 0 {
		return
	}
	for _, level := range t.Levels {
		for _, f := range level {
			s.unrefFile(f)
		}
	}
}

// unrefFile drops one reference to a file.
func (s *Set) unrefFile(f *File) {
	if f.refs--; f.refs == 0 {
		s.onUnusedFile(f)
	}
}

// Ref adds a reference to a version, and returns the version.
func (v *Version) Ref() *Version {
	v.refs++
	return v
}

// MemoryBytes returns the memory of the memtables of all sealed runs.
func (v *Version) MemoryBytes() (n int64) {
	for _, r := range v.Memory {
		if r.Table != nil {
			n += r.Table.Bytes()
		}
	}
	return n
}

// UnflushedBytes estimates how many bytes a flush of all memtables would write.
func (v *Version) UnflushedBytes() (n int64) {
	for _, r := range v.Memory {
		if r.Table != nil {
			n += r.Bytes
		}
	}
	return n
}

// NewestSource returns the number of the newest sealed run that is a source, 0 if none is.
func (v *Version) NewestSource() uint64 {
	for _, r := range v.Memory {
		if r.Source != nil {
			return r.Number
		}
	}
	return 0
}

// WithRun returns a version that has r as the newest sealed run.
func (v *Version) WithRun(r *SealedRun) *Version {
	return New(append([]*SealedRun{r}, v.Memory...), v.Tree)
}

// Without returns a version without the given number of oldest sealed runs, which are in tree
// t instead.
func (v *Version) Without(oldest int, t *Tree) *Version {
	return New(v.Memory[:len(v.Memory)-oldest], t)
}

// WithFiles returns a version with files in place of the sealed runs that were flushed to them.
// It returns nil if v has none of those runs; flushes never write only some of a view's runs
// (see flushPolicy in package lsm).
func (v *Version) WithFiles(flushed []*SealedRun, files []*File) *Version {
	n := len(v.Memory) - len(flushed)
	if n < 0 || !slices.Equal(v.Memory[n:], flushed) {
		return nil
	}
	c := &Change{}
	c.Added[0] = files
	t, err := v.Tree.Apply(c)
	if err != nil {
		return nil // keep using the memtables, which hold the same data
	}
	return v.Without(len(flushed), t)
}
