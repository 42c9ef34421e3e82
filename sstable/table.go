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

// ReaderOptions configures how a file is read.
type ReaderOptions struct {
	// Budget provides the memory for index, filter and slots while the table is open. Default:
	// a budget of its own.
	Budget *Budget

	// Cache keeps blocks that were read. Default: no cache.
	Cache *Cache

	// Handles limits the number of open tables: it may close this one until it is read again.
	// Default: the table stays open until Close.
	Handles *Handles
	// Reopen opens the file again. It is required with Handles.
	Reopen func() (vfs.File, error)

	// Lock is the lock of the tree. Default: a lock of its own.
	Lock *CacheLock

	// Split must be the function with which the file was written. Default: run.WholeKey.
	Split run.Split

	// Identity, if not zero, must equal the identity of the file.
	Identity vfs.Identity
	// Size, if not zero, must equal the size of the file in bytes.
	Size int64

	// Clip makes the table a virtual one, which has only the part of the file within this
	// range: entries and prefix tombstones whose keys lie within, and the parts of range
	// tombstones within. It must not divide the keys of a prefix, because a prefix tombstone
	// outside of Clip is not seen. Default: the whole file.
	Clip run.Range
}

// Table reads a file. Index and filter are in memory while the table is open; data blocks are
// read one by one, through the cache.
//
// # Virtual tables
//
// ReaderOptions.Clip restricts a Table to a part of its file. Several Tables can have parts of
// the same file, so that a tree can drop, move or restore a key range without rewriting files.
//
//	file            [ block 0 | block 1 | block 2 | block 3 ]  filter  index
//	Clip                           [from .......... to)
//	blocks read                 (1)       (2)       (3)
//
// Entries outside of Clip behave as if they were not there. Get checks the key against Clip;
// iterators begin at Clip.From and end at Clip.To, and compare keys only in the first and last
// block that Clip reaches; range tombstones are cut when the table is opened. The filter still
// has the hashes of the whole file, which is harmless: a filter may always answer "maybe".
// Counts in Info are those of the whole file, Info.Range is cut, and ClippedBytes estimates
// the remaining size.
//
// Invariant: Clip never changes. A smaller part of a file is another Table, which takes over
// the cached blocks (MoveFramesFrom).
//
// # Opening and closing
//
// Handles may close a table that was not used for some time (unload): file, index, filter and
// slots are then gone, and ensureOpen opens them again before the next read. Fields that describe
// the content (info, ranges, clip) stay valid; they may be read without the lock.
//
// Invariant: file is nil if and only if the table is closed; then region is nil and no frame
// of the cache belongs to the table.
//
// Thread safety: callers of Get, Hides, MayHold and Close, and users of an iterator with
// IteratorOptions.Cached, hold the CacheLock. Everything else is safe for concurrent use until
// Close.
type Table struct {
	file    vfs.File // nil while the table is closed; then index, filter and slots are empty as well
	id      vfs.Identity
	info    Info
	split   run.Split
	clip    run.Range
	clipped bool
	ranges  run.Ranges // range tombstones, cut to clip

	index    index
	filter   filter
	dataEnd  int64 // offset at which the data blocks end
	sections sections

	budget *Budget
	region []byte // memory of index, filter and slots
	slots  []byte // 4 bytes for each block: its frame, 0 for none; guarded by lock

	cache *Cache
	lock  *CacheLock

	clippedBytes int64
	handles      *Handles
	reopen       func() (vfs.File, error)
	openIndex    int          // index in handles.open; guarded by handles.mu
	used         bool         // read since the hand of handles passed; guarded by lock
	pins         atomic.Int32 // number of iterators; incremented under lock
	closing      error        // error of closing the file; guarded by lock
}

// Open opens a file: it reads the footer, index, filter, range tombstones and properties into
// memory. It takes ownership of f, even if it fails. The error is ErrCorrupt, ErrVersion,
// ErrSplit or ErrTooLarge, or an error of f.
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
		t.handles.add(t, false)
	}
	return t, nil
}

// open reads and checks everything but the data. Identity and size must match unless they are
// zero.
func (t *Table) open(id vfs.Identity, sizeBytes int64) error {
	size, err := t.file.Size()
	if err != nil {
		return err
	}
	if size < headerBytes+footerBytes || sizeBytes != 0 && size != sizeBytes {
		return corrupt(size, "unexpected size of the file")
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
		return corrupt(0, "another file: its identity differs")
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

// openRegion reads filter and index, and allocates the slots.
func (t *Table) openRegion(s sections) error {
	const slotBytes = 4
	stored := s.filter + s.index
	if !addressable(stored + s.index) {
		return fmt.Errorf("index and filter of %d bytes: %w", stored, ErrTooLarge)
	}
	var blocks int64
	if t.cache != nil {
		// The number of blocks is not known yet, but each has at least 16 bytes in the index.
		blocks = s.index / 16
	}
	t.region = t.budget.Alloc(int(stored + slotBytes*blocks))
	raw, err := t.section(t.region[:s.filter:s.filter], t.dataEnd)
	if err != nil {
		return err
	}
	if len(raw)%filterBlockBytes != 0 || s.filter > 0 && len(raw) == 0 {
		return corrupt(t.dataEnd, "wrong size of the filter")
	}
	t.filter.blocks = raw
	at := t.dataEnd + s.filter
	if raw, err = t.section(t.region[s.filter:stored:stored], at); err != nil {
		return err
	}
	if !t.index.parse(raw, headerBytes, t.dataEnd) {
		return corrupt(at, "invalid index")
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
		err = corrupt(offset, "a section is compressed")
	}
	return e.stored, err
}

// openRanges reads the range tombstones.
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
		return corrupt(offset, "invalid range tombstones")
	}
	t.ranges = ranges
	if t.clipped {
		t.ranges = ranges.Clip(t.clip)
	}
	return nil
}

// openProperties reads the properties, and checks them against index, filter and options.
func (t *Table) openProperties(offset, size int64, filtered bool) error {
	raw, err := t.smallSection(offset, size)
	if err != nil {
		return err
	}
	var p properties
	if !p.parse(raw) || (p.probes > 0) != filtered {
		return corrupt(offset, "invalid properties")
	}
	entries := p.info.Entries + p.info.Tombstones
	if entries < 0 || (entries == 0) != (t.index.count == 0) {
		return corrupt(offset, "wrong number of entries")
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

// smallSection reads a section into memory of its own.
func (t *Table) smallSection(offset, size int64) ([]byte, error) {
	if !addressable(size) {
		return nil, fmt.Errorf("section of %d bytes: %w", size, ErrTooLarge)
	}
	return t.section(make([]byte, size), offset)
}

// read fills b from an offset. An end of the file before that is corruption.
func (t *Table) read(b []byte, offset int64) error {
	if t.file == nil { // a large value is read after Handles closed the table; the caller holds the lock
		if err := t.reload(); err != nil {
			return err
		}
	}
	n, err := t.file.ReadAt(b, offset)
	switch {
	case n == len(b):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return corrupt(offset+int64(n), "unexpected end of the file")
	}
	return err
}

// Info returns the description of the file. Info.Range is cut to the clip.
func (t *Table) Info() Info { return t.info }

// ClippedBytes estimates the size in bytes of the part of the file within the clip; without a
// clip it is the size of the file.
func (t *Table) ClippedBytes() int64 { return t.clippedBytes }

// clippedSize computes ClippedBytes from the index.
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
	if first > 0 { // chunks of large values precede their block
		begin = x.offset(first-1) + x.size(first-1)
	}
	return x.offset(last) + x.size(last) - begin
}

// MoveFramesFrom moves the cached blocks that t can read, those from the beginning of t's clip
// on, from another table of the same file to t. The caller holds the CacheLock, which both
// tables share.
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

// Ranges returns the range tombstones, cut to the clip.
func (t *Table) Ranges() run.Ranges { return t.ranges }

// Close frees frames, memory and file. The caller holds the CacheLock, and nobody uses the
// table, its iterators or its large values any more.
func (t *Table) Close() error {
	t.reopen = nil
	if t.file != nil {
		if t.handles != nil {
			t.handles.removeTable(t)
		}
		t.unload()
	}
	return t.closing
}
