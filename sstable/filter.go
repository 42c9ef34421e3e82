package sstable

import (
	"encoding/binary"
	"math/bits"

	"github.com/weirstate/weir/internal/slab"
)

// A filter is a blocked Bloom filter: Putze, Sanders, Singler, "Cache-, Hash-
// and Space-Efficient Bloom Filters", 2007. A block has 512 bits, a line of the
// cache; the high bits of a hash choose it, up to maxProbes bits in it are taken
// from the hash multiplied.
const (
	filterBlockBytes = 64
	filterBlockBits  = 8 * filterBlockBytes
	maxProbes        = 7 // of 9 bits each from 64
	filterMultiplier = 0x9E3779B97F4A7C15
)

// filter is the blocks, none if there is no filter.
type filter struct {
	blocks []byte
	probes uint8
}

// probesFor is bits·ln 2, where the rate of false answers is least.
func probesFor(bitsPerKey int) uint8 { return uint8(min(max(bitsPerKey*69/100, 1), maxProbes)) }

// filterBytes is the size of a filter for so many hashes.
func filterBytes(hashes int64, bitsPerKey int) int64 {
	blocks, rest := bits.Mul64(uint64(hashes), uint64(bitsPerKey))
	if blocks != 0 {
		return 1 << 62
	}
	return int64(max(rest/filterBlockBits+min(rest%filterBlockBits, 1), 1)) * filterBlockBytes
}

// block is the one that a hash belongs to.
func (f *filter) block(hash uint64) []byte {
	i, _ := bits.Mul64(hash, uint64(len(f.blocks)/filterBlockBytes))
	at := int(i) * filterBlockBytes
	return f.blocks[at : at+filterBlockBytes]
}

func (f *filter) add(hash uint64) {
	b := f.block(hash)
	for x, n := hash*filterMultiplier, f.probes; n > 0; n-- {
		bit := x >> 55
		b[bit>>3] |= 1 << (bit & 7)
		x <<= 9
	}
}

// mayHold says whether a hash may have been added.
func (f *filter) mayHold(hash uint64) bool {
	if len(f.blocks) == 0 {
		return true
	}
	b := f.block(hash)
	_ = b[filterBlockBytes-1]
	for x, n := hash*filterMultiplier, f.probes; n > 0; n-- {
		bit := x >> 55
		if b[bit>>3]>>(bit&7)&1 == 0 {
			return false
		}
		x <<= 9
	}
	return true
}

// hashes gathers what a filter is made of, without ever copying it, in memory of a
// budget.
type hashes struct {
	budget *slab.Budget
	full   [][]byte
	last   []byte // that is being filled, up to its capacity
	count  int64
}

const (
	hashBytes       = 8
	hashChunkBytes  = 64 << 10
	firstChunkBytes = 4 << 10 // many tables are small
)

func (h *hashes) add(hash uint64) {
	if len(h.last) == cap(h.last) {
		size := hashChunkBytes
		if h.last == nil {
			size = firstChunkBytes
		} else {
			h.full = append(h.full, h.last)
		}
		h.last = h.budget.Alloc(size)[:0]
	}
	h.last = binary.LittleEndian.AppendUint64(h.last, hash)
	h.count++
}

// filter makes the filter, in memory of the budget.
func (h *hashes) filter(bitsPerKey int) (filter, error) {
	size := filterBytes(h.count, bitsPerKey)
	if !addressable(size + trailerBytes) {
		return filter{}, ErrTooLarge
	}
	f := filter{h.budget.Alloc(int(size) + trailerBytes)[:size], probesFor(bitsPerKey)}
	for _, chunk := range append(h.full, h.last) {
		for ; len(chunk) > 0; chunk = chunk[hashBytes:] {
			f.add(binary.LittleEndian.Uint64(chunk))
		}
	}
	return f, nil
}

// release gives the memory back.
func (h *hashes) release() {
	for _, chunk := range append(h.full, h.last) {
		h.budget.Free(chunk[:cap(chunk)])
	}
	*h = hashes{budget: h.budget}
}
