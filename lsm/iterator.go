package lsm

import (
	"bytes"
	"io"

	"github.com/weirstate/weir/internal/run"
	"github.com/weirstate/weir/memtable"
	"github.com/weirstate/weir/sstable"
)

// Iterator walks keys that have values, in ascending order. It begins before the
// first: call Next.
//
// Thread safety: one goroutine; one that Prefix returned belongs to the owner.
type Iterator struct {
	db     *DB
	merger merger
	within run.Range
	err    error
	valid  bool // stands at an entry
	begun  bool
	value  []byte // put together
	opened caller

	version *version // pinned, nil once closed; the lock of the store
	live    live     // if it is one of a prefix
}

// Iterator walks the keys from from to to, excluded; nil is the lowest or beyond
// the highest. It sees the store as it is now: the store is sealed, unless
// nothing was written since it last was. Close it.
func (db *DB) Iterator(from, to []byte) (*Iterator, error) {
	if err := db.enter(); err != nil {
		return nil, err
	}
	defer db.owner.Unlock()
	if err := db.sealToRead(); err != nil {
		return nil, err
	}
	return db.scan(db.current, run.Range{From: from, To: to}), nil
}

// readahead is how much a scan reads of a file at a time.
const readahead = 256 << 10

// scan returns an iterator over a version. The lock is held.
func (db *DB) scan(v *version, within run.Range) *Iterator {
	within = run.Range{From: bytes.Clone(within.From), To: bytes.Clone(within.To)} // they are the caller's
	it := &Iterator{db: db, within: within, version: v, opened: callerOf()}
	v.refs++
	db.iterators[it] = true
	o := sstable.IteratorOptions{Readahead: readahead, LookUp: true}
	it.merger.reset(&db.o.Split, nil, db.sourcesOf(v, within, o))
	return it
}

// sourcesOf are the runs of a version that may have keys of a range.
func (db *DB) sourcesOf(v *version, within run.Range, o sstable.IteratorOptions) (sources []source) {
	for _, r := range v.memory {
		if r.table != nil {
			sources = append(sources, sourceOfMemory(r.table))
		} else {
			sources = append(sources, db.sourceOf([]*file{r.file}, o))
		}
	}
	for _, f := range overlapping(v.tree.levels[0], within) {
		sources = append(sources, db.sourceOf([]*file{f}, o))
	}
	for _, level := range v.tree.levels[1:] {
		if files := spanned(level, boundsOfFile, within); len(files) > 0 {
			sources = append(sources, db.sourceOf(files, o))
		}
	}
	return sources
}

// sourceOfMemory is the run of a memtable.
func sourceOfMemory(table memtable.Table) source {
	return source{
		Iterator: table.Iterator(), ranges: table.Ranges(),
		hides: func(p *run.Probe) (bool, error) { return table.Hides(p), nil },
	}
}

// sourceOf is a run of files that are apart from each other, ascending.
func (db *DB) sourceOf(files []*file, o sstable.IteratorOptions) source {
	open := func(f *file) run.Iterator { return f.table.Iterator(o) }
	s := source{hides: func(p *run.Probe) (bool, error) { return db.hides(files, p, o.Cached) }}
	for _, f := range files {
		s.ranges = append(s.ranges, f.table.Ranges()...)
	}
	if len(files) == 1 {
		s.Iterator = open(files[0])
	} else {
		s.Iterator = &levelIterator{files: files, open: open}
	}
	return s
}

// hides says whether a tombstone of a run covers the prefix of a probe.
func (db *DB) hides(files []*file, p *run.Probe, locked bool) (bool, error) {
	f := find(files, p.Key)
	if f == nil {
		return false, nil
	}
	if !locked {
		db.owner.Lock()
		defer db.owner.Unlock()
	}
	return f.table.Hides(p)
}

// enter says whether the iterator may go on. One of a prefix works under the lock
// of the store, which is taken then.
func (it *Iterator) enter() bool {
	it.valid = false
	if it.err != nil {
		return false
	}
	switch {
	case it.live.on:
		it.db.owner.Lock()
		if !it.db.closed {
			return true
		}
		it.db.owner.Unlock()
	case it.version != nil && !it.db.shut.Load():
		return true
	}
	it.err = ErrClosed
	return false
}

// leave ends what enter began.
func (it *Iterator) leave() {
	if it.live.on {
		it.db.owner.Unlock()
	}
}

// Next goes to the next key and says whether there is one.
func (it *Iterator) Next() bool {
	if !it.enter() {
		return false
	}
	defer it.leave()
	if !it.begun {
		it.seek(it.within.From)
	} else if it.live.on {
		it.followWrites()
	}
	return it.step()
}

// Seek goes to the first key that is at least key, and says whether there is
// one.
func (it *Iterator) Seek(key []byte) bool {
	if !it.enter() {
		return false
	}
	defer it.leave()
	if bytes.Compare(key, it.within.From) < 0 {
		key = it.within.From
	}
	it.seek(key)
	return it.step()
}

func (it *Iterator) seek(key []byte) {
	it.begun = true
	if it.live.on {
		it.rebuild()
		it.live.from = append(it.live.from[:0], key...)
	}
	it.merger.seek(key)
}

// step goes to the next entry that is a value.
func (it *Iterator) step() bool {
	m := &it.merger
	for m.next() && !it.isPast(m.key) {
		if !m.kind.HasValue() {
			continue
		}
		if it.live.on {
			it.err = it.stand()
		}
		it.valid = it.err == nil
		return it.valid
	}
	it.err = m.err
	return false
}

// isPast says whether a key lies behind all that the iterator walks. What begins
// with a prefix may have a longer one.
func (it *Iterator) isPast(key []byte) bool {
	if it.live.on {
		return it.db.o.Split.Func(key) != len(it.live.prefix)
	}
	return it.within.Before(key)
}

// Key is the current one. It is good until the next call.
func (it *Iterator) Key() []byte {
	switch {
	case !it.valid:
		return nil
	case it.live.on:
		return it.live.last()
	}
	return it.merger.key
}

// Value is that of the current key. It is good until the next call. It is
// ErrTooLarge above the limit: ValueReader reads it.
func (it *Iterator) Value() ([]byte, error) {
	switch {
	case !it.valid:
		return nil, it.err
	case it.live.on:
		return it.liveValue()
	}
	f := &it.merger.finding
	if err := it.db.o.checkWhole(f.Size()); err != nil {
		return nil, err
	}
	if whole, ok := f.Whole(); ok {
		return whole, nil
	}
	value, err := f.AppendTo(it.value[:0])
	if cap(value) <= maxPeeked {
		it.value = value
	}
	return value, err
}

// ValueSize is the size of the current value in bytes.
func (it *Iterator) ValueSize() int64 {
	if !it.valid {
		return 0
	}
	return it.merger.finding.Size()
}

// ValueReader reads the current value in pieces. It is good until the next call.
// Prefix returns iterators that have none: see DB.Stream.
func (it *Iterator) ValueReader() io.Reader {
	if !it.valid || it.live.on {
		return bytes.NewReader(nil)
	}
	return it.merger.finding.Reader()
}

// Err is what has ended the walk, nil at its end.
func (it *Iterator) Err() error { return it.err }

// Close releases what the iterator holds. A second one does nothing.
func (it *Iterator) Close() error {
	it.db.owner.Lock()
	defer it.db.owner.Unlock()
	it.valid = false
	delete(it.db.iterators, it)
	switch {
	case it.live.on:
		return it.closeLive()
	case it.version == nil:
		return nil
	}
	err := it.merger.close()
	it.db.unref(it.version)
	it.version = nil
	return err
}
