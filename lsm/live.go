package lsm

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/weirstate/weir/internal/run"
	"github.com/weirstate/weir/memtable"
	"github.com/weirstate/weir/sstable"
)

// live is what an iterator of a prefix has besides: it follows what the owner
// writes while it walks.
type live struct {
	on     bool
	prefix []byte
	probe  run.Probe
	// from is the lowest key that the next step may give: what was sought, or the
	// last key and a zero byte.
	from  []byte
	value []byte // where the iterator stands, unless it is large

	// generation and writes are those of the store when the sources were
	// brought up to date.
	generation uint64
	writes     uint64
	err        error // of finding the sources
	runs       int   // of tables, among the sources
	steps      int   // since then

	memory []run.Iterator // of memtables, to be used again
	tables []*sstable.Iterator
}

// Prefix walks the keys with a prefix, which must be one as Options.Split cuts
// it, as a live cursor: each Next goes to the smallest key above the last one, as
// the store is at that moment. The owner may write while it walks. Close it.
func (db *DB) Prefix(prefix []byte) (*Iterator, error) {
	if err := db.o.checkPrefix(prefix); err != nil {
		return nil, err
	}
	if err := db.enter(); err != nil {
		return nil, err
	}
	defer db.owner.Unlock()
	it := &Iterator{db: db}
	if idle := db.idle; idle != nil {
		// Its memory, not itself: whoever closed it may do so again.
		it.merger, it.live, it.value = idle.merger, idle.live, idle.value
		db.idle = nil
	}
	it.opened = callerOf()
	l := &it.live
	l.on = true
	l.prefix = append(l.prefix[:0], prefix...)
	db.o.Split.Prepare(&l.probe, l.prefix)
	it.within = run.PrefixRange(l.prefix)
	db.iterators[it] = true
	return it, nil
}

// rebuild finds the sources of the prefix anew.
func (it *Iterator) rebuild() {
	db, l := it.db, &it.live
	it.closeSources()
	it.version = db.current
	it.version.refs++
	l.generation, l.writes, l.err = db.generation, db.writes, nil
	it.merger.reset(&db.o.Split, l.prefix, it.liveSources(it.merger.sources[:0]))
	if l.err != nil {
		it.merger.fail(l.err)
	}
}

// liveSources are the runs that may have keys with the prefix, from the newest
// to the first one that hides all older ones. What keeps it from finding out is
// in live.err.
func (it *Iterator) liveSources(sources []source) []source {
	db, l := it.db, &it.live
	sources, hides := it.addMemory(sources, db.active.Table)
	for _, r := range it.version.memory {
		switch {
		case hides:
			return sources
		case r.table != nil:
			sources, hides = it.addMemory(sources, r.table)
		default:
			sources, hides = it.addTables(sources, []*file{r.file})
		}
	}
	for _, f := range it.version.tree.levels[0] {
		if hides {
			return sources
		}
		if f.bounds.Overlaps(it.within) {
			sources, hides = it.addTables(sources, []*file{f})
		}
	}
	for _, level := range it.version.tree.levels[1:] {
		if hides {
			return sources
		}
		if f := find(level, l.prefix); f != nil && f.bounds.To != nil && it.within.To != nil && bytes.Compare(it.within.To, f.bounds.To) <= 0 {
			sources, hides = it.addTables(sources, []*file{f}) // nearly always
		} else {
			sources, hides = it.addTables(sources, slices.Clone(spanned(level, boundsOfFile, it.within)))
		}
	}
	return sources
}

// What a table more costs a walk of a prefix, against what it costs a Get: it is
// entered by a copy of a block, and each step compares with it.
const (
	detoursOfSeek = 8
	stepsOfDetour = 8
)

// addMemory adds a memtable. hides says that no older run counts.
func (it *Iterator) addMemory(sources []source, table memtable.Table) (_ []source, hides bool) {
	l := &it.live
	var reuse run.Iterator
	if n := len(l.memory); n > 0 {
		reuse, l.memory = l.memory[n-1], l.memory[:n-1]
	}
	sources = append(sources, source{
		Iterator: table.Live(&l.probe, reuse), ranges: table.Ranges(), hides: hidesNothing,
	})
	return sources, table.Hides(&l.probe)
}

// hidesNothing is for walks of a prefix: what hides one of the sources is not
// among them.
func hidesNothing(*run.Probe) (bool, error) { return false, nil }

// addTables adds a run of files.
func (it *Iterator) addTables(sources []source, files []*file) (_ []source, hides bool) {
	l := &it.live
	ranged := false
	files = slices.DeleteFunc(slices.Clip(files), func(f *file) bool {
		ranged = ranged || len(f.table.Ranges()) > 0
		return !f.table.MayHold(&l.probe) && len(f.table.Ranges()) == 0
	})
	if len(files) == 0 {
		return sources, false
	}
	l.runs++
	hides, err := it.db.hides(files, &l.probe, true)
	if err != nil && l.err == nil {
		l.err = err
	}
	s := source{hides: hidesNothing, copies: true}
	for _, f := range files {
		s.ranges = append(s.ranges, f.table.Ranges()...)
	}
	if len(files) == 1 {
		s.Iterator = it.tableIterator(files[0])
	} else {
		s.Iterator = &levelIterator{files: files, open: it.tableIterator}
	}
	return append(sources, s), hides
}

// tableIterator returns an iterator over a table, through the cache.
func (it *Iterator) tableIterator(f *file) run.Iterator {
	l := &it.live
	o := sstable.IteratorOptions{Cached: true}
	n := len(l.tables)
	if n == 0 {
		return f.table.Iterator(o)
	}
	reuse := l.tables[n-1]
	l.tables = l.tables[:n-1]
	reuse.Reset(f.table, o)
	return reuse
}

// closeSources keeps the iterators for the next time.
func (it *Iterator) closeSources() {
	if it.version == nil {
		return
	}
	l := &it.live
	it.db.detour((l.runs - 1) * (detoursOfSeek + l.steps/stepsOfDetour))
	l.runs, l.steps = 0, 0
	for i := range it.merger.sources {
		s := &it.merger.sources[i]
		if err := s.Close(); err != nil {
			it.db.report(err)
		}
		switch source := s.Iterator.(type) {
		case *sstable.Iterator:
			l.tables = append(l.tables, source)
		case *levelIterator:
		default:
			l.memory = append(l.memory, source)
		}
		*s = source{}
	}
	it.merger.sources = it.merger.sources[:0]
	it.db.unref(it.version)
	it.version = nil
}

// followWrites brings the sources up to date with what happened since the last
// step.
func (it *Iterator) followWrites() {
	db, l := it.db, &it.live
	if l.generation == db.generation && l.writes == db.writes {
		return
	}
	it.rebuild()
	it.merger.seek(l.from)
}

// stand copies the current entry, unless it is a copy: the owner may write before
// it is read.
func (it *Iterator) stand() error {
	l, m := &it.live, &it.merger
	l.steps++
	l.from = append(append(l.from[:0], m.key...), 0)
	if m.finding.Size() > maxPeeked {
		return nil // Value looks it up again
	}
	if value, ok := m.copy(); ok {
		l.value = value
		return nil
	}
	value, err := m.finding.AppendTo(it.value[:0])
	it.value, l.value = value, value
	return err
}

// liveValue is Value of a live iterator.
func (it *Iterator) liveValue() ([]byte, error) {
	size := it.merger.finding.Size()
	if err := it.db.o.checkWhole(size); err != nil {
		return nil, err
	}
	if size <= maxPeeked {
		return it.live.value, nil
	}
	value, _, err := it.db.Get(it.live.last(), nil)
	return value, err
}

// last is the key that the iterator stands at.
func (l *live) last() []byte { return l.from[:len(l.from)-1] }

// closeLive ends a live iterator. Its memory is kept for the next one. The lock is
// held.
func (it *Iterator) closeLive() error {
	it.closeSources()
	it.live.on = false
	it.db.idle = it
	return nil
}

// checkPrefix says whether bytes are a prefix as the store cuts them.
func (o *Options) checkPrefix(prefix []byte) error {
	if o.Split.Func(prefix) != len(prefix) {
		return fmt.Errorf("%d bytes are not a prefix as %q cuts them: %w", len(prefix), o.Split.Name, ErrRange)
	}
	return nil
}
