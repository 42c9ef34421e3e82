package sstable

import (
	"bytes"
	"encoding/binary"
)

// The index has, for n blocks, n-1 separators: the keys of block i are at most
// separator i, those of block i+1 above it. Raw:
//
//	n (8) | size of the common prefix of the separators (8) | the prefix |
//	heads, n-1: the first 8 bytes after the prefix, padded with zeros |
//	ends, n-1 (8 each) of the separators | offsets, n (8 each) of the blocks |
//	sizes, n (8 each) | separators without the prefix
//
// It is searched as it is stored; heads decide nearly all comparisons.
type index struct {
	count                               int // blocks
	prefix                              []byte
	heads, ends, offsets, sizes, spells []byte
}

const indexHeadBytes = 16

func number(b []byte, i int) uint64 { return binary.BigEndian.Uint64(b[8*i:]) }

// head is the first 8 bytes of a text as a number.
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

func (x *index) offset(i int) int64 { return int64(number(x.offsets, i)) }
func (x *index) size(i int) int64   { return int64(number(x.sizes, i)) }

// separator is without the prefix.
func (x *index) separator(i int) []byte {
	from := 0
	if i > 0 {
		from = int(number(x.ends, i-1))
	}
	return x.spells[from:number(x.ends, i)]
}

// find returns the block that has a key if any has, and the keys after it if
// any follow. There is at least one block.
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

// parse takes a raw index of blocks that lie between two offsets of the file,
// and says whether it is one.
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
	x.spells = c.rest
	return !c.failed && x.blocksValid(from, to) && x.separatorsValid(int(separators))
}

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

func (x *index) separatorsValid(n int) bool {
	end := uint64(0)
	for i := range n {
		next := number(x.ends, i)
		if next < end || next > uint64(len(x.spells)) {
			return false
		}
		spell := x.spells[end:next]
		if head(spell) != number(x.heads, i) || i > 0 && bytes.Compare(x.separator(i-1), spell) >= 0 {
			return false
		}
		end = next
	}
	return end == uint64(len(x.spells))
}

// indexBuilder gathers blocks and separators.
type indexBuilder struct {
	offsets, sizes []uint64
	spells         []byte
	ends           []uint64
}

func (b *indexBuilder) addBlock(offset, size int64) {
	b.offsets, b.sizes = append(b.offsets, uint64(offset)), append(b.sizes, uint64(size))
}

// addSeparator adds the one between the last block and the next.
func (b *indexBuilder) addSeparator(last, first []byte) {
	b.spells = appendSeparator(b.spells, last, first)
	b.ends = append(b.ends, uint64(len(b.spells)))
}

// size is at least that of the index, but for its head.
func (b *indexBuilder) size() int64 { return int64(len(b.spells) + 32*len(b.sizes)) }

// finish returns the raw index.
func (b *indexBuilder) finish() []byte {
	n := len(b.ends)
	spell := func(i int) []byte {
		from := uint64(0)
		if i > 0 {
			from = b.ends[i-1]
		}
		return b.spells[from:b.ends[i]]
	}
	shared := 0
	if n > 0 {
		shared = sharedBytes(spell(0), spell(n-1))
	}
	raw := make([]byte, 0, int(b.size())+indexHeadBytes+trailerBytes)
	raw = binary.BigEndian.AppendUint64(raw, uint64(len(b.offsets)))
	raw = binary.BigEndian.AppendUint64(raw, uint64(shared))
	if n > 0 {
		raw = append(raw, spell(0)[:shared]...)
	}
	for i := range n {
		raw = binary.BigEndian.AppendUint64(raw, head(spell(i)[shared:]))
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
		raw = append(raw, spell(i)[shared:]...)
	}
	return raw
}

// appendSeparator adds a short text that is at least a and below b, where a is
// below b.
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
