package sstable

import (
	"encoding/binary"
	"math/bits"

	"github.com/weirstate/weir/internal/pace"
	"github.com/weirstate/weir/internal/slab"
)

// The filter of a table answers "is this key, prefix or tombstone in the file?" without
// reading a block: no is certain, yes is wrong in approx. 1 % of the cases with 10 bits for
// each key.
//
// It is a blocked Bloom filter (Putze, Sanders, Singler: "Cache-, Hash- and Space-Efficient
// Bloom Filters", 2007): the filter consists of blocks of one cache line, and all bits of a
// key lie in the same block, so a probe costs one cache miss instead of seven.
//
//	hash (64 bits)  ->  block = high bits of hash x number of blocks
//	                ->  hash x filterMultiplier: 7 groups of 9 bits, one bit position each
//
//	filter  [ 512 bits ][ 512 bits ][ 512 bits ] ...
//	                       ^   ^  ^     probes of one key: all set = maybe, one clear = no
//
// The filter has a hash of each key, of each prefix that is shorter than its key (once), and of
// each prefix tombstone (salted). Reads look up a key (Get), a prefix (MayHold) or a tombstone
// (Hides).
//
// Invariant: every hash that was added is found (no false negatives); Verify checks it.
//
// Cost: 8 bytes of memory for each hash while the table is written (hashes), FilterBits bits
// for each afterwards. Blocking raises the false positive rate from 0.8 % to 1.1-1.3 % at 10
// bits for each key (see the paper).
const (
	filterBlockBytes = 64
	filterBlockBits  = 8 * filterBlockBytes
	maxProbes        = 7 // 7 groups of 9 bits fit into 64 bits
	filterMultiplier = 0x9E3779B97F4A7C15
)

// filter is the blocks of a filter; without blocks, the file has no filter and every answer is
// yes.
type filter struct {
	blocks []byte
	probes uint8
}

// probesFor returns bits·ln 2, the number of probes with the lowest false positive rate, at
// most maxProbes.
func probesFor(bitsPerKey int) uint8 { return uint8(min(max(bitsPerKey*69/100, 1), maxProbes)) }

// filterBytes returns the size of a filter for a number of hashes.
func filterBytes(hashes int64, bitsPerKey int) int64 {
	blocks, rest := bits.Mul64(uint64(hashes), uint64(bitsPerKey))
	if blocks != 0 {
		return 1 << 62
	}
	return int64(max(rest/filterBlockBits+min(rest%filterBlockBits, 1), 1)) * filterBlockBytes
}

// block returns the block of a hash.
func (f *filter) block(hash uint64) []byte {
	i, _ := bits.Mul64(hash, uint64(len(f.blocks)/filterBlockBytes))
	at := int(i) * filterBlockBytes
	return f.blocks[at : at+filterBlockBytes]
}

// add sets the bits of a hash.
func (f *filter) add(hash uint64) {
	b := f.block(hash)
	for x, n := hash*filterMultiplier, f.probes; n > 0; n-- {
		bit := x >> 55
		b[bit>>3] |= 1 << (bit & 7)
		x <<= 9
	}
}

// mayHold reports whether a hash may have been added; false is certain. It tests the first bits
// without a branch: half of the bits of a filter are set, so a processor would guess wrong in half of
// the cases whether a bit ends the search, but seldom whether all of firstProbes bits are set.
func (f *filter) mayHold(hash uint64) bool {
	if len(f.blocks) == 0 {
		return true
	}
	b := (*[filterBlockBytes]byte)(f.block(hash))
	x, first := hash*filterMultiplier, min(f.probes, firstProbes)
	return allSet(b, x, first) && allSet(b, x<<(9*first), f.probes-first)
}

// firstProbes is the number of bits of which seven in eight absent hashes have a clear one.
const firstProbes = 3

// allSet reports whether the first n bit positions of x, of 9 bits each, are set in a block.
func allSet(b *[filterBlockBytes]byte, x uint64, n uint8) bool {
	all := byte(1)
	for ; n > 0; n-- {
		bit := x >> 55
		all &= b[bit>>3] >> (bit & 7)
		x <<= 9
	}
	return all == 1
}

// hashes collects the hashes for a filter in chunks of the budget's memory, so that they are
// never copied.
type hashes struct {
	budget *slab.Budget
	full   [][]byte
	last   []byte // chunk being filled, up to its capacity
	count  int64
}

const (
	hashBytes       = 8
	hashChunkBytes  = 64 << 10
	firstChunkBytes = 4 << 10 // most tables are small

	filterNanos = 20 // adding a hash to a filter takes approximately as long: a cache miss
)

// add adds a hash.
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

// filter builds the filter, in memory of the budget.
func (h *hashes) filter(bitsPerKey int) (filter, error) {
	size := filterBytes(h.count, bitsPerKey)
	if !addressable(size + trailerBytes) {
		return filter{}, ErrTooLarge
	}
	f := filter{h.budget.Alloc(int(size) + trailerBytes)[:size], probesFor(bitsPerKey)}
	var pacer pace.Pacer
	for _, chunk := range append(h.full, h.last) {
		for ; len(chunk) > 0; chunk = chunk[hashBytes:] {
			pacer.Spend(filterNanos)
			f.add(binary.LittleEndian.Uint64(chunk))
		}
	}
	return f, nil
}

// release returns the memory to the budget.
func (h *hashes) release() {
	for _, chunk := range append(h.full, h.last) {
		h.budget.Free(chunk[:cap(chunk)])
	}
	*h = hashes{budget: h.budget}
}
