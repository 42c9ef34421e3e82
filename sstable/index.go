package sstable

import (
	"bytes"
	"encoding/binary"
)

// index finds the data block of a key. For n blocks it has n-1 separators: all keys of block i
// are at most separator i, and all keys of block i+1 are above it. Uncompressed form:
//
//	n (8) | size of the common prefix of the separators (8) | the prefix |
//	heads, n-1: first 8 bytes of each separator after the prefix, padded with zeros |
//	ends of the separators, n-1 (8 each) | offsets of the blocks, n (8 each) |
//	sizes of the blocks, n (8 each) | separators without the prefix
//
// The index is searched in this form. Heads are compared as integers and decide nearly all
// comparisons.
type index struct {
	count                              int // number of blocks
	prefix                             []byte
	heads, ends, offsets, sizes, texts []byte
}

const indexHeadBytes = 16

// number returns the 8-byte number i of an array.
func number(b []byte, i int) uint64 { return binary.BigEndian.Uint64(b[8*i:]) }

// head returns the first 8 bytes as a big-endian number; shorter slices are padded with zeros.
func head(b []byte) uint64 {
	if len(b) >= 8 {
		return binary.BigEndian.Uint64(b)
	}
	var h uint64
	for i := range b {
		h |= uint64(b[i]) << (56 - 8*i)
	}
	return h
}

// offset returns the offset of block i in the file.
func (x *index) offset(i int) int64 { return int64(number(x.offsets, i)) }

// size returns the size of block i in the file.
func (x *index) size(i int) int64 { return int64(number(x.sizes, i)) }

// separator returns separator i without the prefix.
func (x *index) separator(i int) []byte {
	from := 0
	if i > 0 {
		from = int(number(x.ends, i-1))
	}
	return x.texts[from:number(x.ends, i)]
}

// find returns the block that would have a key. If a key is above all keys of that block,
// larger keys begin in the next one. There must be a block.
func (x *index) find(key []byte) int {
	last := x.count - 1
	if len(x.prefix) > 0 {
		n := min(len(key), len(x.prefix))
		switch bytes.Compare(key[:n], x.prefix) {
		case -1:
			return 0
		case 1:
			return last
		}
		key = key[n:]
	}
	h := head(key)
	low, high := 0, last
	for low < high {
		middle := int(uint(low+high) >> 1)
		m := number(x.heads, middle)
		if m < h || m == h && bytes.Compare(x.separator(middle), key) < 0 {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low
}

// parse decodes an index whose blocks lie between two offsets of the file, and reports whether
// it is valid.
func (x *index) parse(raw []byte, from, to int64) bool {
	c := cursor{rest: raw}
	h := c.take(indexHeadBytes)
	if c.failed {
		return false
	}
	n, prefixBytes := binary.BigEndian.Uint64(h), binary.BigEndian.Uint64(h[8:])
	if n > uint64(len(raw)/16) {
		return false
	}
	separators := max(n, 1) - 1
	x.count = int(n)
	x.prefix = c.take(prefixBytes)
	x.heads, x.ends = c.take(8*separators), c.take(8*separators)
	x.offsets, x.sizes = c.take(8*n), c.take(8*n)
	x.texts = c.rest
	return !c.failed && x.blocksValid(from, to) && x.separatorsValid(int(separators))
}

// blocksValid reports whether the blocks are in order, do not overlap, and lie between two
// offsets.
func (x *index) blocksValid(from, to int64) bool {
	for i := range x.count {
		offset, size := x.offset(i), x.size(i)
		if offset < from || offset > to || size < trailerBytes || size > to-offset || !addressable(size) {
			return false
		}
		from = offset + size
	}
	return true
}

// separatorsValid reports whether the n separators are ascending, and their heads and ends are
// correct.
func (x *index) separatorsValid(n int) bool {
	end := uint64(0)
	for i := range n {
		next := number(x.ends, i)
		if next < end || next > uint64(len(x.texts)) {
			return false
		}
		separatorText := x.texts[end:next]
		if head(separatorText) != number(x.heads, i) || i > 0 && bytes.Compare(x.separator(i-1), separatorText) >= 0 {
			return false
		}
		end = next
	}
	return end == uint64(len(x.texts))
}

// indexBuilder collects blocks and separators.
type indexBuilder struct {
	offsets, sizes []uint64
	texts          []byte
	ends           []uint64
}

// addBlock adds a block.
func (b *indexBuilder) addBlock(offset, size int64) {
	b.offsets, b.sizes = append(b.offsets, uint64(offset)), append(b.sizes, uint64(size))
}

// addSeparator adds the separator between a block, whose last key is last, and the next, whose
// first key is first.
func (b *indexBuilder) addSeparator(last, first []byte) {
	b.texts = appendSeparator(b.texts, last, first)
	b.ends = append(b.ends, uint64(len(b.texts)))
}

// size returns an upper bound of the size of the index without its head.
func (b *indexBuilder) size() int64 { return int64(len(b.texts) + 32*len(b.sizes)) }

// finish returns the uncompressed index.
func (b *indexBuilder) finish() []byte {
	n := len(b.ends)
	separatorText := func(i int) []byte {
		from := uint64(0)
		if i > 0 {
			from = b.ends[i-1]
		}
		return b.texts[from:b.ends[i]]
	}
	shared := 0
	if n > 0 {
		shared = sharedBytes(separatorText(0), separatorText(n-1))
	}
	raw := make([]byte, 0, int(b.size())+indexHeadBytes+trailerBytes)
	raw = binary.BigEndian.AppendUint64(raw, uint64(len(b.offsets)))
	raw = binary.BigEndian.AppendUint64(raw, uint64(shared))
	if n > 0 {
		raw = append(raw, separatorText(0)[:shared]...)
	}
	for i := range n {
		raw = binary.BigEndian.AppendUint64(raw, head(separatorText(i)[shared:]))
	}
	for i := range n {
		raw = binary.BigEndian.AppendUint64(raw, b.ends[i]-uint64(i+1)*uint64(shared))
	}
	for _, numbers := range [][]uint64{b.offsets, b.sizes} {
		for _, v := range numbers {
			raw = binary.BigEndian.AppendUint64(raw, v)
		}
	}
	for i := range n {
		raw = append(raw, separatorText(i)[shared:]...)
	}
	return raw
}

// appendSeparator appends a short text that is at least a and below b. a must be below b.
func appendSeparator(dst, a, b []byte) []byte {
	n := sharedBytes(a, b)
	switch {
	case n == len(a):
		return append(dst, a...)
	case a[n]+1 < b[n]:
		return append(append(dst, a[:n]...), a[n]+1)
	case len(b) > n+1:
		return append(dst, b[:n+1]...)
	}
	for i := n + 1; i < len(a); i++ {
		if a[i] != 0xff {
			return append(append(dst, a[:i]...), a[i]+1)
		}
	}
	return append(dst, a...)
}
