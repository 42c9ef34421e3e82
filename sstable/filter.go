package sstable

import "math/bits"

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

// hashes gathers what a filter is made of, without ever copying it.
type hashes struct {
	full  [][]uint64
	last  []uint64
	count int64
}

const hashesInChunk = 8192 // 64 KiB

func (h *hashes) add(hash uint64) {
	if len(h.last) == cap(h.last) {
		if h.last != nil {
			h.full = append(h.full, h.last)
		}
		h.last = make([]uint64, 0, hashesInChunk)
	}
	h.last = append(h.last, hash)
	h.count++
}

// filter makes the filter.
func (h *hashes) filter(bitsPerKey int) (filter, error) {
	size := filterBytes(h.count, bitsPerKey)
	if !addressable(size + trailerBytes) {
		return filter{}, ErrTooLarge
	}
	f := filter{make([]byte, size, size+trailerBytes), probesFor(bitsPerKey)}
	for _, chunk := range h.full {
		for _, hash := range chunk {
			f.add(hash)
		}
	}
	for _, hash := range h.last {
		f.add(hash)
	}
	return f, nil
}
