package sstable

import (
	"bytes"
	"sync"

	"github.com/weirstate/weir/run"
)

// IteratorOptions configures how an iterator reads.
type IteratorOptions struct {
	// Readahead is the number of bytes that a scan reads from the file at once. Default: one
	// block.
	Readahead int

	// Allowance, if not nil, provides the memory for buffers above 16 KiB. The iterator first
	// reads 16 KiB, and doubles this with each consecutive read, up to Readahead, while the
	// allowance has bytes left.
	Allowance *Allowance

	// Cached reads blocks through the cache. The caller must hold the CacheLock during each
	// call. Default: blocks are read from the file, by a caller that does not hold the lock;
	// the iterator takes the lock for a moment to keep the table open.
	Cached bool

	// PeekCache makes an iterator without Cached use blocks that are in the cache: it takes
	// the lock for a moment for each block, and copies the block. Other blocks are read from
	// the file, and are not added to the cache, so that a scan does not evict it.
	PeekCache bool
}

// Iterator walks the entries of a table. It implements run.BackwardIterator. It has its own
// buffers, so blocks may be evicted while it stands at them.
//
// Thread safety: one goroutine.
type Iterator struct {
	table   *Table
	options IteratorOptions
	err     error

	at       int // number of the current block, -1 for none
	block    block
	i        int  // index of the current entry in the block
	next     int  // position of the next entry in the block
	done     bool // the walk has ended
	pinned   bool // the iterator has pinned the table
	backward bool // the walk goes backward
	last     int  // last block that the clip reaches; the blocks between clip.From and it lie within the clip

	entry run.Entry
	key   []byte // key of the entry: prefix of the block and rest of the key

	raw            []byte             // buffer for an uncompressed block
	stored         []byte             // buffer for stored blocks
	from           int64              // offset of stored in the file
	window         int                // number of bytes that are read at once
	allowanceTaken int                // bytes taken from the allowance
	pooled         *[pooledBytes]byte // buffer from readBuffers that stored uses
}

// firstReadahead is the number of bytes that an iterator with an allowance reads first.
const firstReadahead = 16 << 10

// Iterator returns an iterator, which stands before the first entry.
func (t *Table) Iterator(o IteratorOptions) *Iterator {
	it := new(Iterator)
	it.Reset(t, o)
	return it
}

// Reset turns the iterator into a new one of table t, and keeps its buffers.
func (it *Iterator) Reset(t *Table, o IteratorOptions) {
	_ = it.Close() // Close of an iterator returns no error
	*it = Iterator{table: t, options: o, key: it.key[:0], raw: it.raw[:0], stored: it.stored[:0], at: -1, i: -1}
}

// pin keeps the table open, and reports whether the table could be opened.
func (it *Iterator) pin() bool {
	if it.pinned {
		return true
	}
	t := it.table
	if err := t.pin(it.options.Cached); err != nil {
		return it.fail(err)
	}
	it.pinned = true
	it.last = t.index.count - 1
	if t.clip.To != nil && t.index.count > 0 {
		it.last = t.index.find(t.clip.To)
	}
	return true
}

// unpin allows Handles to close the table.
func (it *Iterator) unpin() {
	if it.pinned {
		it.table.unpin()
		it.pinned = false
	}
}

// Err implements run.Iterator.
func (it *Iterator) Err() error { return it.err }

// Close implements run.Iterator. The table may be closed afterwards. The iterator can be used
// again after Reset.
func (it *Iterator) Close() error {
	it.done, it.at = true, -1
	it.unpin()
	if it.pooled != nil {
		readBuffers.Put(it.pooled)
		it.pooled, it.stored = nil, nil
	}
	if it.allowanceTaken > 0 {
		it.options.Allowance.Give(it.allowanceTaken)
		it.allowanceTaken, it.window, it.stored = 0, 0, nil
	}
	return nil
}

// Entry implements run.Iterator.
func (it *Iterator) Entry() *run.Entry { return &it.entry }

// Seek implements run.Iterator.
func (it *Iterator) Seek(key []byte) bool {
	t := it.table
	if it.err != nil || !it.pin() || t.index.count == 0 {
		it.done = true
		return false
	}
	if t.clipped && bytes.Compare(key, t.clip.From) < 0 {
		key = t.clip.From
	}
	it.done, it.backward = false, false
	if i := t.index.find(key); !it.load(i) {
		return false
	}
	i, ok := it.block.search(key)
	if !ok {
		return it.corrupt()
	}
	if i == it.block.count {
		it.i = i
		return it.nextBlock()
	}
	it.i, it.next = i, it.block.offset(i)
	return it.read()
}

// Next implements run.Iterator.
func (it *Iterator) Next() bool {
	if it.done || it.err != nil {
		return false
	}
	if it.at < 0 {
		return it.Seek(nil)
	}
	if it.i++; it.i < it.block.count {
		return it.read()
	}
	return it.nextBlock()
}

// nextBlock moves to the first entry of the next block.
func (it *Iterator) nextBlock() bool {
	if it.at >= it.last {
		it.done = true
		return false
	}
	if !it.load(it.at + 1) {
		return false
	}
	it.i, it.next = 0, 0
	return it.read()
}

// SeekBelow implements run.BackwardIterator.
func (it *Iterator) SeekBelow(key []byte) bool {
	t := it.table
	if it.err != nil || !it.pin() || t.index.count == 0 {
		it.done = true
		return false
	}
	if to := t.clip.To; to != nil && (key == nil || bytes.Compare(to, key) < 0) {
		key = to
	}
	it.backward = true
	block := t.index.count - 1
	if key != nil {
		block = t.index.find(key)
	}
	if !it.load(block) {
		return false
	}
	it.i = it.block.count
	if key != nil {
		i, ok := it.block.search(key)
		if !ok {
			return it.corrupt()
		}
		it.i = i
	}
	it.done = false
	return it.Prev()
}

// Prev implements run.BackwardIterator.
func (it *Iterator) Prev() bool {
	if it.done || it.err != nil || it.at < 0 {
		return false
	}
	if it.i == 0 {
		if it.at == 0 {
			it.done = true
			return false
		}
		if !it.load(it.at - 1) {
			return false
		}
		it.i = it.block.count
	}
	it.i--
	it.next = it.block.offset(it.i)
	if !it.read() {
		return false
	}
	it.done = it.table.clipped && bytes.Compare(it.key, it.table.clip.From) < 0
	return !it.done
}

// read decodes the entry at position next and makes it the current one.
func (it *Iterator) read() bool {
	e, ok := it.block.at(it.next)
	if !ok {
		return it.corrupt()
	}
	it.next = e.end
	it.key = append(it.key[:it.block.prefixBytes], it.block.suffix(e)...)
	if it.at >= it.last && it.table.clip.Before(it.key) {
		it.done = true
		return false
	}
	it.entry.Key, it.entry.Kind = it.key, e.kind()
	if e.form&formLarge == 0 && it.entry.Value.Large == nil { // nearly always
		it.entry.Value.Bytes = it.block.value(e)
		return true
	}
	return it.readValue(e)
}

// readValue is the slow path of read: for a large value, and for the entry after one.
func (it *Iterator) readValue(e item) bool {
	if e.form&formLarge == 0 {
		it.entry.Value = run.Value{Bytes: it.block.value(e)}
		return true
	}
	l, ok := it.table.newLarge(it.block.value(e))
	if !ok {
		return it.corrupt()
	}
	it.entry.Value = run.Value{Large: l}
	return true
}

// corrupt ends the walk at an invalid block.
func (it *Iterator) corrupt() bool {
	return it.fail(corrupt(it.table.index.offset(it.at), "invalid data block"))
}

// fail ends the walk with an error.
func (it *Iterator) fail(err error) bool {
	it.err, it.at = err, -1
	return false
}

// load makes block i the current one.
func (it *Iterator) load(i int) bool {
	if i == it.at {
		return true
	}
	raw, err := it.fetch(i)
	if err != nil {
		return it.fail(err)
	}
	it.at = i
	if !it.block.parse(raw) {
		return it.corrupt()
	}
	it.key = append(it.key[:0], it.block.prefix()...)
	return true
}

// fetch returns an uncompressed block in a buffer of the iterator.
func (it *Iterator) fetch(i int) ([]byte, error) {
	t := it.table
	if it.options.Cached {
		raw, err := t.block(i)
		it.raw = append(it.raw[:0], raw...)
		return it.raw, err
	}
	if it.options.PeekCache && it.copyCached(i) {
		return it.raw, nil
	}
	offset, size := t.index.offset(i), t.index.size(i)
	if offset < it.from || offset+size > it.from+int64(len(it.stored)) {
		it.growWindow(offset)
		first := i
		if it.backward {
			first = it.readaheadStart(i)
		}
		it.from = t.index.offset(first)
		it.stored = it.buffer(int(max(it.readaheadBytes(first), offset+size-it.from)))
		if err := t.read(it.stored, it.from); err != nil {
			it.stored = it.stored[:0]
			return nil, err
		}
	}
	from := int(offset - it.from)
	e, err := unseal(it.stored[from:from+int(size)], &t.id, offset)
	if err != nil || e.form == None {
		return e.stored, err
	}
	it.raw = resized(it.raw, e.rawBytes)
	return it.raw, e.unpack(it.raw, offset)
}

// copyCached copies an uncompressed block from the cache, and reports whether it was there.
func (it *Iterator) copyCached(i int) bool {
	t := it.table
	if t.cache == nil {
		return false
	}
	t.lock.Lock()
	defer t.lock.Unlock()
	frame := t.slot(i)
	if frame == 0 {
		t.lock.counts.CacheMisses++
		return false
	}
	t.lock.counts.CacheHits++
	it.raw = append(it.raw[:0], t.cache.hit(frame)...)
	return true
}

// readBuffers are reused by iterators without an allowance, as in compactions, whose bytes are
// not used after Close. A new buffer for each file would create much garbage.
var readBuffers = sync.Pool{New: func() any { return new([pooledBytes]byte) }}

const pooledBytes = 256 << 10

// buffer returns a buffer for n bytes of the file.
func (it *Iterator) buffer(n int) []byte {
	if n > cap(it.stored) && it.options.Allowance == nil && it.options.Readahead == pooledBytes && n <= pooledBytes {
		it.pooled = readBuffers.Get().(*[pooledBytes]byte)
		return it.pooled[:n]
	}
	return resized(it.stored, n)
}

// growWindow sets the number of bytes to read at once, before a read at an offset.
func (it *Iterator) growWindow(offset int64) {
	o := &it.options
	switch {
	case o.Allowance == nil:
		it.window = o.Readahead
	case it.window == 0:
		it.window = min(firstReadahead, o.Readahead)
	case offset == it.from+int64(len(it.stored)):
		if more := min(it.window, o.Readahead-it.window); more > 0 && o.Allowance.TryTake(more) {
			it.window += more
			it.allowanceTaken += more
		}
	}
}

// readaheadStart returns the first of the blocks that a backward walk reads together with
// block i: adjacent blocks below it that fit into the window.
func (it *Iterator) readaheadStart(i int) int {
	x := &it.table.index
	end := x.offset(i) + x.size(i)
	for i > 0 && x.offset(i-1)+x.size(i-1) == x.offset(i) && end-x.offset(i-1) <= int64(it.window) {
		i--
	}
	return i
}

// readaheadBytes returns the number of bytes to read from block i on: adjacent whole blocks
// that fit into the window.
func (it *Iterator) readaheadBytes(i int) int64 {
	x := &it.table.index
	size := x.size(i)
	for i++; i <= it.last; i++ {
		if x.offset(i) != x.offset(i-1)+x.size(i-1) || size+x.size(i) > int64(it.window) {
			break
		}
		size += x.size(i)
	}
	return size
}
