package sstable

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/vfs"
)

// ReaderOptions say how a file is read.
type ReaderOptions struct {
	// Budget has the memory for index, filter and slots, as long as the table is
	// open. Default: one of its own.
	Budget *Budget

	// Cache for blocks. Default: none.
	Cache *Cache

	// Handles bounds what is open; Reopen opens the file again. Default: the table is
	// open until Close.
	Handles *Handles
	Reopen  func() (vfs.File, error)

	// Lock is the lock of the tree. Default: one of its own.
	Lock *CacheLock

	// Split must be the one of the file. Default: run.WholeKey.
	Split run.Split

	// Identity and Size, in bytes, are compared with the file's if they are not
	// zero.
	Identity vfs.Identity
	Size     int64

	// Clip bounds what there is of the file: entries and tombstones whose keys
	// lie within, parts of ranges. It must not divide the keys of a prefix, or
	// tombstones reach no further than it. Default: everything.
	Clip run.Range
}

// Table is a file that is read.
//
// Thread safety: whoever calls Get, Hides, MayHold or Close, or uses an iterator with
// Cached, holds the lock of the owner. All else is safe for concurrent use until
// Close.
type Table struct {
	file    vfs.File // nil while the table is not open, with what index, filter and slots say
	id      vfs.Identity
	info    Info
	split   run.Split
	clip    run.Range
	clipped bool
	ranges  run.Ranges // clipped

	index    index
	filter   filter
	dataEnd  int64 // offset
	sections sections

	budget *Budget
	region []byte // index, filter, slots
	slots  []byte // 4 bytes for a block: its frame, 0 for none; guarded by owner

	cache *Cache
	lock  *CacheLock

	clippedBytes int64
	handles      *Handles
	reopen       func() (vfs.File, error)
	place        int          // of handles.open, which guards it
	used         bool         // since the hand passed; guarded by owner
	pins         atomic.Int32 // iterators; raised under the lock of owner
	closing      error        // of closing the file; guarded by owner
}

// Open reads what is needed to read entries: the footer and what is before it,
// into memory of the budget. It takes the file over, also if it fails. The error
// is ErrCorrupt, ErrVersion or ErrSplit, or what the file returned.
func Open(f vfs.File, o ReaderOptions) (*Table, error) {
	t := &Table{file: f, split: o.Split, clip: o.Clip, cache: o.Cache, lock: o.Lock, budget: o.Budget}
	t.clipped = len(o.Clip.From) > 0 || o.Clip.To != nil
	if t.split.Func == nil {
		t.split = run.WholeKey
	}
	if t.budget == nil {
		t.budget = NewBudget(0)
	}
	if t.lock == nil {
		t.lock = &CacheLock{Mutex: new(sync.Mutex)}
	}
	if err := t.open(o.Identity, o.Size); err != nil {
		t.budget.Free(t.region)
		return nil, errors.Join(fmt.Errorf("opening a table: %w", err), f.Close())
	}
	t.clippedBytes = t.clippedSize()
	if o.Handles != nil && o.Reopen != nil {
		t.handles, t.reopen, t.used = o.Handles, o.Reopen, true
		t.handles.enter(t, false)
	}
	return t, nil
}

func (t *Table) open(id vfs.Identity, sizeBytes int64) error {
	size, err := t.file.Size()
	if err != nil {
		return err
	}
	if size < headerBytes+footerBytes || sizeBytes != 0 && size != sizeBytes {
		return corrupt(size, "end of the file")
	}
	var b [headerBytes + footerBytes]byte
	header, footer := b[:headerBytes], b[headerBytes:]
	if err := t.read(header, 0); err != nil {
		return err
	}
	if t.id, err = parseHeader(header); err != nil {
		return err
	}
	if id != (vfs.Identity{}) && id != t.id {
		return corrupt(0, "identity of another file")
	}
	at := size - footerBytes
	if err := t.read(footer, at); err != nil {
		return err
	}
	s, err := parseFooter(footer, t.id, at)
	if err != nil {
		return err
	}
	t.dataEnd, t.sections = at-s.total(), s
	if err := t.openRegion(s); err != nil {
		return err
	}
	if err := t.openRanges(at-s.properties-s.ranges, s.ranges); err != nil {
		return err
	}
	if err := t.openProperties(at-s.properties, s.properties, s.filter > 0); err != nil {
		return err
	}
	t.info.Identity, t.info.Size = t.id, size
	return nil
}

// openRegion reads filter and index, and makes slots.
func (t *Table) openRegion(s sections) error {
	const slotBytes = 4
	stored := s.filter + s.index
	if !addressable(stored + s.index) {
		return fmt.Errorf("index and filter of %d bytes: %w", stored, ErrTooLarge)
	}
	var blocks int64
	if t.cache != nil {
		// Not more than this: a block takes 16 bytes of index.
		blocks = s.index / 16
	}
	t.region = t.budget.Alloc(int(stored + slotBytes*blocks))
	raw, err := t.section(t.region[:s.filter:s.filter], t.dataEnd)
	if err != nil {
		return err
	}
	if len(raw)%filterBlockBytes != 0 || s.filter > 0 && len(raw) == 0 {
		return corrupt(t.dataEnd, "size of the filter")
	}
	t.filter.blocks = raw
	at := t.dataEnd + s.filter
	if raw, err = t.section(t.region[s.filter:stored:stored], at); err != nil {
		return err
	}
	if !t.index.parse(raw, headerBytes, t.dataEnd) {
		return corrupt(at, "the index")
	}
	t.slots = t.region[stored:]
	return nil
}

// section reads a block that is never compressed into b.
func (t *Table) section(b []byte, offset int64) ([]byte, error) {
	if len(b) == 0 {
		return nil, nil
	}
	if err := t.read(b, offset); err != nil {
		return nil, err
	}
	e, err := unseal(b, &t.id, offset)
	if err == nil && e.form != None {
		err = corrupt(offset, "a section that is compressed")
	}
	return e.stored, err
}

func (t *Table) openRanges(offset, size int64) error {
	if size == 0 {
		return nil
	}
	raw, err := t.smallSection(offset, size)
	if err != nil {
		return err
	}
	ranges, ok := parseRanges(raw)
	if !ok {
		return corrupt(offset, "the ranges")
	}
	t.ranges = ranges
	if t.clipped {
		t.ranges = ranges.Clip(t.clip)
	}
	return nil
}

func (t *Table) openProperties(offset, size int64, filtered bool) error {
	raw, err := t.smallSection(offset, size)
	if err != nil {
		return err
	}
	var p properties
	if !p.parse(raw) || (p.probes > 0) != filtered {
		return corrupt(offset, "the properties")
	}
	entries := p.info.Entries + p.info.Tombstones
	if entries < 0 || (entries == 0) != (t.index.count == 0) {
		return corrupt(offset, "number of entries")
	}
	if p.split != t.split.Name {
		return fmt.Errorf("split function %.64q, want %.64q: %w", p.split, t.split.Name, ErrSplit)
	}
	t.filter.probes, t.info = p.probes, p.info
	if t.clipped {
		t.info.Range = p.info.Range.Intersect(t.clip)
	}
	return nil
}

func (t *Table) smallSection(offset, size int64) ([]byte, error) {
	if !addressable(size) {
		return nil, fmt.Errorf("section of %d bytes: %w", size, ErrTooLarge)
	}
	return t.section(make([]byte, size), offset)
}

// read fills b from an offset at which the file should have as much.
func (t *Table) read(b []byte, offset int64) error {
	if t.file == nil { // a large value of a table that was closed since; the lock is held
		if err := t.reload(); err != nil {
			return err
		}
	}
	n, err := t.file.ReadAt(b, offset)
	switch {
	case n == len(b):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return corrupt(offset+int64(n), "end of the file")
	}
	return err
}

// Info is what the file says of itself, its range clipped.
func (t *Table) Info() Info { return t.info }

// ClippedBytes is about how much of the file the clip leaves; all of it if there is
// none.
func (t *Table) ClippedBytes() int64 { return t.clippedBytes }

func (t *Table) clippedSize() int64 {
	x := &t.index
	if !t.clipped || x.count == 0 {
		return t.info.Size
	}
	first, last := x.find(t.clip.From), x.count-1
	if t.clip.To != nil {
		last = x.find(t.clip.To)
	}
	begin := int64(headerBytes)
	if first > 0 { // large values stand before their block
		begin = x.offset(first-1) + x.size(first-1)
	}
	return x.offset(last) + x.size(last) - begin
}

// MoveFramesFrom takes over the blocks in the cache of another table of the same file, which
// from then on finds none. The caller holds the lock of the owner, which both have.
func (t *Table) MoveFramesFrom(other *Table) {
	if t.cache == nil || t.index.count == 0 || other.file == nil {
		return
	}
	for i := t.index.find(t.clip.From); i < t.index.count; i++ {
		if frame := other.slot(i); frame != 0 {
			t.cache.move(frame, t)
			other.setSlot(i, 0)
			t.setSlot(i, frame)
		}
	}
}

// Ranges are the range tombstones, clipped.
func (t *Table) Ranges() run.Ranges { return t.ranges }

// Close gives back frames, memory and file. The caller holds the lock of the
// owner; nobody uses the table, its iterators or its large values any more.
func (t *Table) Close() error {
	t.reopen = nil
	if t.file != nil {
		if t.handles != nil {
			t.handles.leave(t)
		}
		t.unload()
	}
	return t.closing
}
