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

// prefixCursor is the state of a prefix iterator, which sees what the owner writes while it moves.
//
// Before each move the iterator compares generation and writes with those of the store. If both
// are unchanged, its sources are up to date and it only steps. Otherwise rebuild finds the
// sources again and seeks to the last key. All of it happens under the lock of the store.
type prefixCursor struct {
	on        bool
	prefix    []byte
	lookupKey run.LookupKey
	value     []byte // value of the current key, unless it is large

	// generation of the store's version, and the store's writes, when the sources were found.
	generation uint64
	writes     uint64
	err        error // error of finding the sources
	runs       int   // number of sources that are tables
	steps      int   // number of moves since the sources were found

	dead gaps.DeadRun // deleted keys that the current move has stepped over

	memory []run.Iterator // iterators over memtables, to be reused
	tables []*sstable.Iterator
}

// Prefix returns an iterator over the keys with a prefix. It must be a whole prefix, as
// Options.Split cuts it. The iterator is a live cursor: each Next moves to the smallest key
// above the last one, each Prev to the greatest key below it, in the store as it is at that
// moment. The owner may write between moves. Close the iterator.
func (db *DB) Prefix(prefix []byte) (_ *Iterator, err error) {
	if err := db.o.checkPrefix(prefix); err != nil {
		return nil, err
	}
	if err := db.lockOpen(); err != nil {
		return nil, err
	}
	defer db.unlock(&err)
	w := db.newPrefixWalk(prefix)
	db.pins.addWalk(w)
	return &Iterator{walk: w}, nil
}

// newPrefixWalk returns a walk over a prefix. The caller holds the lock.
func (db *DB) newPrefixWalk(prefix []byte) *walk {
	w := db.scratch.takeIdle()
	if w == nil {
		w = &walk{db: db}
	}
	w.err, w.begun, w.backward = nil, false, false
	l := &w.cursor
	l.on = true
	l.prefix = append(l.prefix[:0], prefix...)
	db.o.Split.Prepare(&l.lookupKey, l.prefix)
	w.within = run.PrefixRange(l.prefix)
	return w
}

// rebuild closes the sources and finds those of the current version.
func (w *walk) rebuild() {
	db, l := w.db, &w.cursor
	w.closeSources()
	w.version = db.versions.Current().Ref()
	l.generation, l.writes, l.err = db.versions.Generation(), db.writes, nil
	w.merger.Reset(&db.o.Split, l.prefix, w.prefixSources(w.merger.Sources[:0]))
	if l.err != nil {
		w.merger.Fail(l.err)
	}
}

// prefixSources appends the runs that may hold keys of the prefix, from the newest to the first
// one whose tombstone hides all older runs. It stores an error in cursor.err.
func (w *walk) prefixSources(sources []merge.Source) []merge.Source {
	db, l := w.db, &w.cursor
	sources, hides := w.addMemory(sources, db.active.Table)
	for _, r := range w.version.Memory {
		switch {
		case hides:
			return sources
		case r.Table != nil:
			sources, hides = w.addMemory(sources, r.Table)
		case r.File != nil: // a source is passed over: see SealWith
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
			sources, hides = w.addTables(sources, []*version.File{f}) // the usual case: one file holds all keys of the prefix
		} else {
			sources, hides = w.addTables(sources, slices.Clone(version.OverlappingSorted(level, version.BoundsOf, w.within)))
		}
	}
	return sources
}

// Cost of one more table for a prefix iterator, in units of one more table for a Get: the
// iterator copies a block to enter the table, and compares with its key in each step.
const (
	seekReadCost     = 8
	stepsPerReadCost = 8
)

// addMemory appends a memtable to the sources. hides reports whether its tombstone hides all
// older runs.
func (w *walk) addMemory(sources []merge.Source, table memtable.Table) (_ []merge.Source, hides bool) {
	l := &w.cursor
	var reuse run.Iterator
	if n := len(l.memory); n > 0 {
		reuse, l.memory = l.memory[n-1], l.memory[:n-1]
	}
	sources = append(sources, merge.Source{
		Iterator: table.Live(&l.lookupKey, reuse), Ranges: table.Ranges(), Hides: hidesNothing,
	})
	return sources, table.Hides(&l.lookupKey)
}

// hidesNothing is Source.Hides of prefix iterators: prefixSources has left out hidden runs
// already.
func hidesNothing(*run.LookupKey) (bool, error) { return false, nil }

// addTables appends one run, which consists of files, to the sources.
func (w *walk) addTables(sources []merge.Source, files []*version.File) (_ []merge.Source, hides bool) {
	l := &w.cursor
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

// tableIterator returns an iterator over a table that reads through the cache.
func (w *walk) tableIterator(f *version.File) *sstable.Iterator {
	l := &w.cursor
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

// closeSources closes the sources and keeps their iterators for reuse.
func (w *walk) closeSources() {
	if w.version == nil {
		return
	}
	l := &w.cursor
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

// followWrites rebuilds the sources if the store was written to since the last move.
func (w *walk) followWrites() {
	if !w.isUpToDate() {
		w.rebuild()
		w.merger.Seek(w.from)
	}
}

// isUpToDate reports whether the store has not changed since the sources were found.
func (w *walk) isUpToDate() bool {
	return w.cursor.generation == w.db.versions.Generation() && w.cursor.writes == w.db.writes
}

// copyCurrent copies the current key and value, because the owner may write before it reads
// them. A value of a table block is a copy already.
func (w *walk) copyCurrent() error {
	l, m := &w.cursor, &w.merger
	l.steps++
	w.from = append(append(w.from[:0], m.Key...), 0)
	if m.Lookup.Size() > maxPeeked {
		return nil // Value reads it with Get
	}
	if value, ok := m.StableValue(); ok {
		l.value = value
		return nil
	}
	value, err := m.Lookup.AppendTo(w.value[:0])
	w.value, l.value = value, value
	return err
}

// prefixValue is currentValue for prefix iterators.
func (w *walk) prefixValue() ([]byte, error) {
	size := w.merger.Lookup.Size()
	if err := w.db.o.checkWhole(size); err != nil {
		return nil, err
	}
	if size <= maxPeeked {
		return w.cursor.value, nil
	}
	value, _, err := w.db.Get(w.last(), nil)
	return value, err
}

// last returns the current key. The walk is a prefix iterator, or a scan with runs in memory.
func (w *walk) last() []byte { return w.from[:len(w.from)-1] }

// closePrefixWalk closes a prefix iterator and keeps its memory for reuse. The caller holds the lock.
func (w *walk) closePrefixWalk() error {
	w.closeSources()
	w.cursor.on = false
	w.db.scratch.keepIdle(w)
	return nil
}

// checkPrefix returns ErrRange unless Options.Split would cut exactly these bytes as a prefix.
func (o *Options) checkPrefix(prefix []byte) error {
	n, err := o.splitAt(prefix)
	if err != nil {
		return err
	}
	if n != len(prefix) {
		return fmt.Errorf("these %d bytes are not a prefix that Split %q cuts: %w", len(prefix), o.Split.Name, ErrRange)
	}
	return nil
}
