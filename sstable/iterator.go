package sstable

import (
	"bytes"
	"sync"

	"github.com/weirstate/weir/run"
)

// IteratorOptions say how an iterator reads.
type IteratorOptions struct {
	// Readahead is how many bytes of file are read at once, for scans. Default:
	// a block.
	Readahead int

	// Allowance, if not nil, is what buffers above 16 KiB are taken from: the iterator
	// reads as much at first, and twice as much with each read that follows the one
	// before, up to Readahead, for as long as there is some left.
	Allowance *Allowance

	// Cached is for who holds the lock of the owner during each call: blocks come
	// from the cache and go into it. Default: the file is read, by somebody who does not
	// hold that lock, which is taken for a moment to keep the table open.
	Cached bool

	// PeekCache is for who does not: the iterator takes the lock for a moment for
	// each block, and copies what is in the cache. What is not is read, and does
	// not go into it.
	PeekCache bool
}

// Iterator walks the entries of a table. It implements run.BackwardIterator.
//
// Thread safety: one goroutine. It has its own buffers.
type Iterator struct {
	table   *Table
	options IteratorOptions
	err     error

	at     int // block that is loaded, -1 for none
	block  block
	i      int  // entry in it
	next   int  // offset of the one after it
	done   bool // nothing follows
	pinned bool // the table stays open
	down   bool // goes backward
	last   int  // no block after it, and all before it, lie within the clip

	entry run.Entry
	key   []byte // prefix of the block, suffix of the entry

	raw    []byte // a block
	stored []byte // blocks
	from   int64  // offset of stored
	window int    // how much is read at once
	taken  int    // of the allowance
	pooled *[pooledBytes]byte
}

// firstReadahead is how much an iterator with an allowance reads at first.
const firstReadahead = 16 << 10

// Iterator returns an iterator, which stands before the first entry.
func (t *Table) Iterator(o IteratorOptions) *Iterator {
	it := new(Iterator)
	it.Reset(t, o)
	return it
}

// Reset makes the iterator one of a table, which may be another, as if it were
// new; it keeps its buffers.
func (it *Iterator) Reset(t *Table, o IteratorOptions) {
	_ = it.Close() // it has no error
	*it = Iterator{table: t, options: o, key: it.key[:0], raw: it.raw[:0], stored: it.stored[:0], at: -1, i: -1}
}

// pin keeps the table open, and reports whether it could be opened.
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

func (it *Iterator) unpin() {
	if it.pinned {
		it.table.unpin()
		it.pinned = false
	}
}

// Err implements run.Iterator.
func (it *Iterator) Err() error { return it.err }

// Close implements run.Iterator: the table need not stay open. The iterator may be used
// again after Reset.
func (it *Iterator) Close() error {
	it.done, it.at = true, -1
	it.unpin()
	if it.pooled != nil {
		readBuffers.Put(it.pooled)
		it.pooled, it.stored = nil, nil
	}
	if it.taken > 0 {
		it.options.Allowance.Give(it.taken)
		it.taken, it.window, it.stored = 0, 0, nil
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
	it.done, it.down = false, false
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

// nextBlock goes to the first entry of the next block.
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
	it.down = true
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

// read makes the entry at next the current one.
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

// readValue is the rest of read for a large value, and for the entry after one.
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

func (it *Iterator) corrupt() bool {
	return it.fail(corrupt(it.table.index.offset(it.at), "a data block"))
}

func (it *Iterator) fail(err error) bool {
	it.err, it.at = err, -1
	return false
}

// load makes a block the current one.
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

// fetch returns a raw block, in a buffer of the iterator.
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
		it.widen(offset)
		first := i
		if it.down {
			first = it.behind(i)
		}
		it.from = t.index.offset(first)
		it.stored = it.buffer(int(max(it.ahead(first), offset+size-it.from)))
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

// copyCached copies a raw block from the cache, if it is there.
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

// readBuffers are for iterators without an allowance, as of compactions, whose bytes
// nobody uses after Close: a new one for each file is much garbage.
var readBuffers = sync.Pool{New: func() any { return new([pooledBytes]byte) }}

const pooledBytes = 256 << 10

// buffer returns memory for so many bytes of the file.
func (it *Iterator) buffer(n int) []byte {
	if n > cap(it.stored) && it.options.Allowance == nil && it.options.Readahead == pooledBytes && n <= pooledBytes {
		it.pooled = readBuffers.Get().(*[pooledBytes]byte)
		return it.pooled[:n]
	}
	return resized(it.stored, n)
}

// widen sees to how much is read at once, from an offset on.
func (it *Iterator) widen(offset int64) {
	o := &it.options
	switch {
	case o.Allowance == nil:
		it.window = o.Readahead
	case it.window == 0:
		it.window = min(firstReadahead, o.Readahead)
	case offset == it.from+int64(len(it.stored)):
		if more := min(it.window, o.Readahead-it.window); more > 0 && o.Allowance.TryTake(more) {
			it.window += more
			it.taken += more
		}
	}
}

// behind returns the first of the blocks that lie before a block, without a hole, and are
// read with it by a walk that goes backward.
func (it *Iterator) behind(i int) int {
	x := &it.table.index
	end := x.offset(i) + x.size(i)
	for i > 0 && x.offset(i-1)+x.size(i-1) == x.offset(i) && end-x.offset(i-1) <= int64(it.window) {
		i--
	}
	return i
}

// ahead is how many bytes are read from a block on: whole blocks that follow
// each other.
func (it *Iterator) ahead(i int) int64 {
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
