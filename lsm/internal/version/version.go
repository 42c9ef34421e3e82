package version

import "slices"

// Version is all that the store holds but for the active memtable, at one
// moment. It never changes.
//
// Invariant: the runs in memory are newer than those of the tree, and come from
// the newest to the oldest.
type Version struct {
	Memory []*SealedRun
	Tree   *Tree
	refs   int // the store's, views', iterators', the flusher's; the lock of the store
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

// Set is the versions that somebody refers to, and which of them is the current one. What
// no version has any more goes to two functions.
//
// Thread safety: the lock of the store.
type Set struct {
	current    *Version
	generation uint64
	memory     func(*SealedRun) // takes a run whose memory nobody refers to
	files      func(*File)      // takes a file that nobody refers to
}

// NewSet returns a set with an empty version.
func NewSet(memory func(*SealedRun), files func(*File)) Set {
	return Set{current: New(nil, &Tree{}), memory: memory, files: files}
}

// Current returns the current version. Whoever keeps it takes a reference.
func (s *Set) Current() *Version { return s.current }

// Generation counts the versions that have been the current one.
func (s *Set) Generation() uint64 { return s.generation }

// Install makes a version the current one, with its reference.
func (s *Set) Install(v *Version) {
	old := s.current
	s.current = v
	s.generation++
	s.Unref(old)
}

// Unref gives a reference back.
func (s *Set) Unref(v *Version) {
	if v.refs--; v.refs == 0 {
		s.release(v)
	}
}

// release lets go of everything that a version has.
func (s *Set) release(v *Version) {
	for _, r := range v.Memory {
		if r.refs--; r.refs > 0 {
			continue
		}
		if r.Table != nil {
			s.memory(r)
		} else {
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

func (s *Set) unrefFile(f *File) {
	if f.refs--; f.refs == 0 {
		s.files(f)
	}
}

// Ref takes a reference to a version, and returns it.
func (v *Version) Ref() *Version {
	v.refs++
	return v
}

// MemoryBytes returns what the memtables of the sealed runs take.
func (v *Version) MemoryBytes() (n int64) {
	for _, r := range v.Memory {
		if r.Table != nil {
			n += r.Table.Bytes()
		}
	}
	return n
}

// UnflushedBytes returns about what flushes of the memtables would write.
func (v *Version) UnflushedBytes() (n int64) {
	for _, r := range v.Memory {
		if r.Table != nil {
			n += r.Bytes
		}
	}
	return n
}

// WithRun is the version with a newer run before it.
func (v *Version) WithRun(r *SealedRun) *Version {
	return New(append([]*SealedRun{r}, v.Memory...), v.Tree)
}

// Without is the version in which the oldest runs in memory, so many, are in a tree
// instead.
func (v *Version) Without(oldest int, t *Tree) *Version {
	return New(v.Memory[:len(v.Memory)-oldest], t)
}

// WithFiles returns the version with files instead of the runs that they were written
// from, nil if the version has none of those. It has all of them or none: see oldestRuns.
func (v *Version) WithFiles(flushed []*SealedRun, files []*File) *Version {
	n := len(v.Memory) - len(flushed)
	if n < 0 || !slices.Equal(v.Memory[n:], flushed) {
		return nil
	}
	c := &Change{}
	c.Added[0] = files
	t, err := v.Tree.Apply(c)
	if err != nil {
		return nil // the memory holds the same data
	}
	return v.Without(len(flushed), t)
}
