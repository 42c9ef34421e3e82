package merge

import (
	"sync"

	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/memtable"
	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/sstable"
)

// Readahead is the number of bytes that walks over many keys read of a file at a time.
const Readahead = 256 << 10

// VersionSources returns the runs of a version that may have keys in a range, from the newest
// to the oldest. No run of v may be a source. lock is the lock of the store; the caller does not
// hold it during the walk.
func VersionSources(v *version.Version, within run.Range, lock sync.Locker, o sstable.IteratorOptions) (sources []Source) {
	for _, r := range v.Memory {
		if r.Table != nil {
			sources = append(sources, SealedSource(r))
		} else {
			sources = append(sources, FilesSource([]*version.File{r.File}, lock, o))
		}
	}
	for _, f := range version.Overlapping(v.Tree.Levels[0], within) {
		sources = append(sources, FilesSource([]*version.File{f}, lock, o))
	}
	for _, level := range v.Tree.Levels[1:] {
		if files := version.OverlappingSorted(level, version.BoundsOf, within); len(files) > 0 {
			sources = append(sources, FilesSource(files, lock, o))
		}
	}
	return sources
}

// FilesSource returns a run that consists of disjoint files, ascending by key. lock is the
// lock of the store; the caller does not hold it during the walk.
func FilesSource(files []*version.File, lock sync.Locker, o sstable.IteratorOptions) Source {
	open := func(f *version.File) *sstable.Iterator { return f.Table.Iterator(o) }
	s := Source{Hides: func(p *run.LookupKey) (bool, error) {
		lock.Lock()
		defer lock.Unlock()
		return FilesHide(files, p)
	}}
	for _, f := range files {
		s.Ranges = append(s.Ranges, f.Table.Ranges()...)
	}
	if len(files) == 1 {
		s.Iterator = open(files[0])
	} else {
		s.Iterator = &version.LevelIterator{Files: files, Open: open}
	}
	return s
}

// FilesHide reports whether a tombstone in a run of files covers the prefix of a lookup key.
// The caller holds the lock of the store.
func FilesHide(files []*version.File, p *run.LookupKey) (bool, error) {
	f := version.Find(files, p.Key)
	if f == nil {
		return false, nil
	}
	return f.Table.Hides(p)
}

// MemtableSource returns the run of a memtable that the caller keeps in memory during the
// walk.
func MemtableSource(table memtable.Table) Source {
	return Source{
		Iterator: table.Iterator(), Ranges: table.Ranges(),
		Hides: func(p *run.LookupKey) (bool, error) { return table.Hides(p), nil },
	}
}

// SealedSource returns a run in memory that may be flushed and freed during the walk.
func SealedSource(r *version.SealedRun) Source {
	return Source{
		Iterator: &memoryIterator{run: r}, Ranges: r.Table.Ranges(),
		Hides: func(p *run.LookupKey) (hides bool, err error) {
			err = r.WhileInMemory(func() { hides = r.Table.Hides(p) })
			return hides, err
		},
	}
}
