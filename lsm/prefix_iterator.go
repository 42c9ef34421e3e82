package lsm

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/weirstate/weir/lsm/internal/gaps"
	"github.com/weirstate/weir/lsm/internal/merge"
	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/memtable"
	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/sstable"
)

// live is what an iterator of a prefix has besides: it follows what the owner
// writes while it walks.
type live struct {
	on        bool
	prefix    []byte
	lookupKey run.LookupKey
	value     []byte // where the iterator stands, unless it is large

	// generation and writes are those of the store when the sources were
	// brought up to date.
	generation uint64
	writes     uint64
	err        error // of finding the sources
	runs       int   // of tables, among the sources
	steps      int   // since then

	dead gaps.DeadRun // what the step under way has passed

	memory []run.Iterator // of memtables, to be used again
	tables []*sstable.Iterator
}

// Prefix walks the keys with a prefix, which must be one as Options.Split cuts
// it, as a live cursor: each Next goes to the smallest key above the last one, and each
// Prev to the greatest one below it, as the store is at that moment. The owner may write while it walks. Close it.
func (db *DB) Prefix(prefix []byte) (_ *Iterator, err error) {
	if err := db.o.checkPrefix(prefix); err != nil {
		return nil, err
	}
	if err := db.enter(); err != nil {
		return nil, err
	}
	defer db.leave(&err)
	w := db.liveWalk(prefix)
	db.pins.enterWalk(w)
	return &Iterator{walk: w}, nil
}

// liveWalk returns a walk of a prefix. The lock is held.
func (db *DB) liveWalk(prefix []byte) *walk {
	w := db.scratch.takeIdle()
	if w == nil {
		w = &walk{db: db}
	}
	w.err, w.begun, w.down = nil, false, false
	l := &w.live
	l.on = true
	l.prefix = append(l.prefix[:0], prefix...)
	db.o.Split.Prepare(&l.lookupKey, l.prefix)
	w.within = run.PrefixRange(l.prefix)
	return w
}

// rebuild finds the sources of the prefix anew.
func (w *walk) rebuild() {
	db, l := w.db, &w.live
	w.closeSources()
	w.version = db.versions.Current().Ref()
	l.generation, l.writes, l.err = db.versions.Generation(), db.writes, nil
	w.merger.Reset(&db.o.Split, l.prefix, w.liveSources(w.merger.Sources[:0]))
	if l.err != nil {
		w.merger.Fail(l.err)
	}
}

// liveSources are the runs that may have keys with the prefix, from the newest
// to the first one that hides all older ones. An error that keeps it from finding out is
// in live.err.
func (w *walk) liveSources(sources []merge.Source) []merge.Source {
	db, l := w.db, &w.live
	sources, hides := w.addMemory(sources, db.active.Table)
	for _, r := range w.version.Memory {
		switch {
		case hides:
			return sources
		case r.Table != nil:
			sources, hides = w.addMemory(sources, r.Table)
		default:
			sources, hides = w.addTables(sources, []*version.File{r.File})
		}
	}
	for _, f := range w.version.Tree.Levels[0] {
		if hides {
			return sources
		}
		if f.Bounds.Overlaps(w.within) {
			sources, hides = w.addTables(sources, []*version.File{f})
		}
	}
	for _, level := range w.version.Tree.Levels[1:] {
		if hides {
			return sources
		}
		if f := version.Find(level, l.prefix); f != nil && f.Bounds.To != nil && w.within.To != nil && bytes.Compare(w.within.To, f.Bounds.To) <= 0 {
			sources, hides = w.addTables(sources, []*version.File{f}) // nearly always
		} else {
			sources, hides = w.addTables(sources, slices.Clone(version.OverlappingSorted(level, version.BoundsOf, w.within)))
		}
	}
	return sources
}

// What a table more costs a walk of a prefix, against what it costs a Get: it is
// entered by a copy of a block, and each step compares with it.
const (
	seekReadCost     = 8
	stepsPerReadCost = 8
)

// addMemory adds a memtable. hides says that no older run counts.
func (w *walk) addMemory(sources []merge.Source, table memtable.Table) (_ []merge.Source, hides bool) {
	l := &w.live
	var reuse run.Iterator
	if n := len(l.memory); n > 0 {
		reuse, l.memory = l.memory[n-1], l.memory[:n-1]
	}
	sources = append(sources, merge.Source{
		Iterator: table.Live(&l.lookupKey, reuse), Ranges: table.Ranges(), Hides: hidesNothing,
	})
	return sources, table.Hides(&l.lookupKey)
}

// hidesNothing is for walks of a prefix: what hides one of the sources is not
// among them.
func hidesNothing(*run.LookupKey) (bool, error) { return false, nil }

// addTables adds a run of files.
func (w *walk) addTables(sources []merge.Source, files []*version.File) (_ []merge.Source, hides bool) {
	l := &w.live
	ranged := false
	files = slices.DeleteFunc(slices.Clip(files), func(f *version.File) bool {
		ranged = ranged || len(f.Table.Ranges()) > 0
		return !f.Table.MayHold(&l.lookupKey) && len(f.Table.Ranges()) == 0
	})
	if len(files) == 0 {
		return sources, false
	}
	l.runs++
	hides, err := merge.FilesHide(files, &l.lookupKey)
	if err != nil && l.err == nil {
		l.err = err
	}
	s := merge.Source{Hides: hidesNothing, StableEntries: true}
	for _, f := range files {
		s.Ranges = append(s.Ranges, f.Table.Ranges()...)
	}
	if len(files) == 1 {
		s.Iterator = w.tableIterator(files[0])
	} else {
		s.Iterator = &version.LevelIterator{Files: files, Open: w.tableIterator}
	}
	return append(sources, s), hides
}

// tableIterator returns an iterator over a table, through the cache.
func (w *walk) tableIterator(f *version.File) *sstable.Iterator {
	l := &w.live
	o := sstable.IteratorOptions{Cached: true}
	n := len(l.tables)
	if n == 0 {
		return f.Table.Iterator(o)
	}
	reuse := l.tables[n-1]
	l.tables = l.tables[:n-1]
	reuse.Reset(f.Table, o)
	return reuse
}

// closeSources keeps the iterators for the next time.
func (w *walk) closeSources() {
	if w.version == nil {
		return
	}
	l := &w.live
	w.db.compactor.addReadCost((l.runs - 1) * (seekReadCost + l.steps/stepsPerReadCost))
	l.runs, l.steps = 0, 0
	w.db.scratch.passed += int64(w.merger.EntriesRead)
	w.merger.EntriesRead = 0
	for i := range w.merger.Sources {
		s := &w.merger.Sources[i]
		if err := s.Close(); err != nil {
			w.db.report(err)
		}
		switch source := s.Iterator.(type) {
		case *sstable.Iterator:
			l.tables = append(l.tables, source)
		case *version.LevelIterator:
		default:
			l.memory = append(l.memory, source)
		}
		*s = merge.Source{}
	}
	w.merger.Sources = w.merger.Sources[:0]
	w.db.versions.Unref(w.version)
	w.version = nil
}

// followWrites brings the sources up to date with what happened since the last
// step.
func (w *walk) followWrites() {
	if !w.isUpToDate() {
		w.rebuild()
		w.merger.Seek(w.from)
	}
}

// isUpToDate reports whether nothing was written since the sources were found.
func (w *walk) isUpToDate() bool {
	return w.live.generation == w.db.versions.Generation() && w.live.writes == w.db.writes
}

// stand copies the current entry, unless it is a copy: the owner may write before
// it is read.
func (w *walk) stand() error {
	l, m := &w.live, &w.merger
	l.steps++
	w.from = append(append(w.from[:0], m.Key...), 0)
	if m.Lookup.Size() > maxPeeked {
		return nil // Value looks it up again
	}
	if value, ok := m.StableValue(); ok {
		l.value = value
		return nil
	}
	value, err := m.Lookup.AppendTo(w.value[:0])
	w.value, l.value = value, value
	return err
}

// liveValue is Value of a live iterator.
func (w *walk) liveValue() ([]byte, error) {
	size := w.merger.Lookup.Size()
	if err := w.db.o.checkWhole(size); err != nil {
		return nil, err
	}
	if size <= maxPeeked {
		return w.live.value, nil
	}
	value, _, err := w.db.Get(w.last(), nil)
	return value, err
}

// last is the key that the iterator stands at. The walk is one of a prefix, or has runs
// in memory.
func (w *walk) last() []byte { return w.from[:len(w.from)-1] }

// closeLive ends the walk of a prefix. Its memory is kept for another one. The lock
// is held.
func (w *walk) closeLive() error {
	w.closeSources()
	w.live.on = false
	w.db.scratch.keepIdle(w)
	return nil
}

// checkPrefix says whether bytes are a prefix as the store cuts them.
func (o *Options) checkPrefix(prefix []byte) error {
	n, err := o.splitAt(prefix)
	if err != nil {
		return err
	}
	if n != len(prefix) {
		return fmt.Errorf("%d bytes are not a prefix as %q cuts them: %w", len(prefix), o.Split.Name, ErrRange)
	}
	return nil
}
