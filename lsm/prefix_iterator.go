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
	end       []byte // memory of the successor of the prefix, the end of the keys
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
func (db *DB) Prefix(prefix []byte) (*Iterator, error) {
	it := new(Iterator)
	if err := db.OpenPrefix(it, prefix); err != nil {
		return nil, err
	}
	return it, nil
}

// OpenPrefix is Prefix for a caller that has the memory of the iterator: it turns a new or closed
// Iterator into an open one.
func (db *DB) OpenPrefix(it *Iterator, prefix []byte) error {
	if err := db.o.checkPrefix(prefix); err != nil {
		return err
	}
	if db.status.isClosed.Load() {
		return ErrClosed
	}
	w := db.scratch.takeIdle()
	if w == nil {
		w = &walk{db: db}
	}
	w.beginPrefix(prefix)
	*it = Iterator{walk: w}
	return nil
}

// beginPrefix makes w a new walk over a prefix, without sources.
func (w *walk) beginPrefix(prefix []byte) {
	w.pinned, w.err, w.valid, w.begun, w.backward = false, nil, false, false, false
	l := &w.cursor
	l.on = true
	l.prefix = append(l.prefix[:0], prefix...)
	l.lookupKey.SetPrefix(l.prefix)
	w.within = run.Range{From: l.prefix, To: run.AppendSuccessor(l.end[:0], l.prefix)}
	if w.within.To != nil {
		l.end = w.within.To
	}
}

// refresh is rebuild for a walk that stays open: it has to let go of its sources when the runs that
// it reads are flushed.
func (w *walk) refresh() {
	w.rebuild()
	if w.version != nil && !w.pinned {
		w.db.pins.addWalk(w)
	}
}

// rebuild closes the sources and finds those of the current version. A walk without sources pins no
// version. The caller holds the lock.
func (w *walk) rebuild() {
	db, l, m := w.db, &w.cursor, &w.merger
	w.closeSources()
	w.version = db.versions.Current().Ref()
	l.generation, l.writes, l.err = db.versions.Generation(), db.writes, nil
	w.findSources()
	m.Reset(&db.o.Split, l.prefix, m.Sources)
	switch {
	case l.err != nil:
		m.Fail(l.err)
	case len(m.Sources) == 0:
		db.versions.Unref(w.version)
		w.version = nil
	}
}

// findSources finds the runs that may hold keys of the prefix, from the newest to the first one whose
// tombstone hides all older runs. Most runs hold none: a memtable knows, and a filter costs one cache
// line, so it is asked before the bounds. findSources stores an error in cursor.err.
func (w *walk) findSources() {
	v := w.version
	hides := w.addMemory(w.db.active.Table)
	for _, r := range v.Memory {
		switch {
		case hides:
			return
		case r.Table != nil:
			hides = w.addMemory(r.Table)
		case r.File != nil: // a source is passed over: see SealWith
			hides = w.addTable(r.File)
		}
	}
	for _, f := range v.Tree.Levels[0] {
		if hides {
			return
		}
		hides = w.addTable(f)
	}
	for _, level := range v.Tree.Levels[1:] {
		if hides {
			return
		}
		hides = w.addLevel(level)
	}
}

// Cost of one more table for a prefix iterator, in units of one more table for a Get: the
// iterator copies a block to enter the table, and compares with its key in each step.
const (
	seekReadCost     = 8
	stepsPerReadCost = 8
)

// addMemory adds a memtable to the sources unless it has no entries of the prefix. hides reports
// whether its tombstone hides all older runs.
func (w *walk) addMemory(table memtable.Table) (hides bool) {
	l := &w.cursor
	if hides = table.Hides(&l.lookupKey); !table.MayHold(&l.lookupKey) {
		return hides // a range tombstone does not divide a prefix
	}
	var reuse run.Iterator
	if n := len(l.memory); n > 0 {
		reuse, l.memory = l.memory[n-1], l.memory[:n-1]
	}
	w.merger.Sources = append(w.merger.Sources, merge.Source{
		Iterator: table.Live(&l.lookupKey, reuse), Ranges: table.Ranges(), Hides: hidesNothing,
	})
	return hides
}

// hidesNothing is Source.Hides of prefix iterators: findSources has left out hidden runs already.
func hidesNothing(*run.LookupKey) (bool, error) { return false, nil }

// mayHold reports whether a table may have keys of the prefix or a tombstone that hides some.
func (w *walk) mayHold(f *version.File) bool {
	return len(f.Table.Ranges()) > 0 || f.Table.MayHold(&w.cursor.lookupKey)
}

// addLevel adds a level above 0, like addTable.
func (w *walk) addLevel(level []*version.File) (hides bool) {
	switch len(level) {
	case 0:
		return false
	case 1:
		return w.addTable(level[0])
	}
	if f := version.Find(level, w.cursor.prefix); f != nil && f.Bounds.To != nil && w.within.To != nil && bytes.Compare(w.within.To, f.Bounds.To) <= 0 {
		return w.addTable(f) // the usual case: one file holds all keys of the prefix
	}
	files := slices.Clone(version.OverlappingSorted(level, version.BoundsOf, w.within))
	files = slices.DeleteFunc(files, func(f *version.File) bool { return !w.mayHold(f) })
	if len(files) <= 1 {
		return len(files) == 1 && w.addTable(files[0])
	}
	s := merge.Source{Iterator: &version.LevelIterator{Files: files, Open: w.tableIterator}}
	for _, f := range files {
		s.Ranges = append(s.Ranges, f.Table.Ranges()...)
	}
	w.addRun(s)
	f := version.Find(files, w.cursor.prefix) // would have the tombstone of the prefix
	return f != nil && w.hides(f)
}

// addTable adds a table to the sources unless it has no entries of the prefix. hides reports whether
// its tombstone hides all older runs.
func (w *walk) addTable(f *version.File) (hides bool) {
	if !w.mayHold(f) || !f.Bounds.Overlaps(w.within) {
		return false
	}
	if len(f.Table.Ranges()) > 0 || !f.Table.Lacks(&w.cursor.lookupKey) { // else it has a tombstone only
		w.addRun(merge.Source{Iterator: w.tableIterator(f), Ranges: f.Table.Ranges()})
	}
	return w.hides(f)
}

// addRun adds a table or the tables of a level to the sources.
func (w *walk) addRun(s merge.Source) {
	s.Hides, s.StableEntries = hidesNothing, true
	w.merger.Sources = append(w.merger.Sources, s)
	w.cursor.runs++
}

// hides reports whether a tombstone of the table hides all older runs.
func (w *walk) hides(f *version.File) bool {
	l := &w.cursor
	hides, err := f.Table.Hides(&l.lookupKey)
	if err != nil && l.err == nil {
		l.err = err
	}
	return hides
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
		w.refresh()
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

// closePrefixWalk closes a prefix iterator and keeps its memory for reuse. The caller holds the lock,
// unless the walk has no sources.
func (w *walk) closePrefixWalk() {
	w.closeSources()
	w.cursor.on = false
	w.db.scratch.keepIdle(w)
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
