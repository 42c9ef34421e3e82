package sstable

import (
	"bytes"
	"encoding/binary"
	"math/bits"

	"github.com/weirstate/weir/run"
)

// A data block, uncompressed:
//
//	entries | offsets | buckets | common prefix of the keys | size of the prefix (4) | number of entries (2)
//
// An entry is its form (1), the size of its key without the prefix and the size of its value
// (both uvarint), the rest of the key, the value. There is one offset for each entry. Offsets
// and buckets have 2 bytes each, or 4 if the block is larger than 64 KiB.
//
// The buckets are a hash table with open addressing: the low bits of a bucket are the offset
// of an entry plus one, or 0 for an empty bucket; the remaining bits are bits of the key's
// hash. So a point read touches the end of a block and nearly always just one entry, each
// approx. one cache miss of the processor. A scan uses the offsets.
const (
	blockTailBytes = 6
	minItemBytes   = 3
	maxEntries     = 1<<16 - 1

	// maxNarrowBytes is the largest uncompressed block whose offsets and buckets have 2 bytes.
	maxNarrowBytes = 1 << 16

	formKind  = 0x07
	formLarge = 0x08 // the value is a reference to chunks
)

// tombstoneSalt is mixed into the hash of a tombstone's prefix, to tell it from a key with the
// same bytes.
const tombstoneSalt = 0x9E3779B97F4A7C15

// bucketCount returns the number of buckets: a quarter stays empty. Long probe sequences are
// cheap, because the hash bits in a bucket rule out nearly all other entries.
func bucketCount(entries int) int { return entries + entries/3 + 1 }

// bucketOf returns the bucket at which the search for a hash begins; it depends on the low
// half of the hash. The bucket's mark has bits of the high half.
func bucketOf(hash uint64, buckets int) int {
	return int(uint64(uint32(hash)) * uint64(buckets) >> 32)
}

// bucketMark returns the bits of a hash that are stored in a bucket of width bytes, above
// offsetBits bits of offset.
func bucketMark(hash uint64, width int, offsetBits uint) uint32 {
	return uint32(hash>>32) << offsetBits & uint32(1<<(8*width)-1)
}

// block is a data block that is being read. It trusts no byte of it: a method that returns ok
// = false has found an invalid block.
type block struct {
	raw         []byte
	width       int // bytes of an offset or a bucket: 2 or 4
	count       int // number of entries
	offsets     int // position of the offsets; the entries end here
	buckets     int // position of the buckets
	bucketCount int
	prefixBytes int
}

// parse decodes the end of a block, and reports whether its parts fit into it.
func (b *block) parse(raw []byte) bool {
	end := len(raw) - blockTailBytes
	if end < 0 {
		return false
	}
	b.raw, b.width = raw, 2
	if len(raw) > maxNarrowBytes {
		b.width = 4
	}
	prefixBytes := binary.BigEndian.Uint32(raw[end:])
	if int64(prefixBytes) > int64(end) {
		return false
	}
	b.prefixBytes = int(prefixBytes)
	b.count = int(binary.BigEndian.Uint16(raw[end+4:]))
	b.bucketCount = bucketCount(b.count)
	b.buckets = end - b.prefixBytes - b.bucketCount*b.width
	b.offsets = b.buckets - b.count*b.width
	return b.count > 0 && b.offsets >= b.count*minItemBytes
}

// prefix returns the common prefix of the keys.
func (b *block) prefix() []byte {
	end := len(b.raw) - blockTailBytes
	return b.raw[end-b.prefixBytes : end]
}

// offset returns the position of entry i.
func (b *block) offset(i int) int { return int(b.number(b.offsets, i)) }

// number returns element i of the array of offsets or buckets at a position.
func (b *block) number(from, i int) uint32 { return getNumber(b.raw[from+i*b.width:], b.width) }

// item locates an entry in a block. It has four words, which stay in registers.
type item struct {
	form          byte
	suffix, value int // positions of the rest of the key and of the value
	end           int // position of the next entry
}

// kind returns the kind of the entry.
func (e item) kind() run.Kind { return kindOf(e.form) }

// kindOf returns the kind in the first byte of an entry.
func kindOf(form byte) run.Kind { return run.Kind(form & formKind) }

// suffix returns the key of an entry without the prefix of the block.
func (b *block) suffix(e item) []byte { return b.raw[e.suffix:e.value:e.value] }

// value returns the value of an entry, or its reference to a large value.
func (b *block) value(e item) []byte { return b.raw[e.value:e.end:e.end] }

// at decodes the entry at a position.
func (b *block) at(offset int) (e item, ok bool) {
	raw := b.raw[:b.offsets]
	if uint(offset) >= uint(len(raw)) || len(raw)-offset < minItemBytes {
		return e, false
	}
	e.form = raw[offset]
	keyBytes, valueBytes := uint64(raw[offset+1]), uint64(raw[offset+2])
	at := offset + 3
	if keyBytes|valueBytes >= 0x80 {
		var n, m int
		keyBytes, n = binary.Uvarint(raw[offset+1:])
		if n <= 0 {
			return e, false
		}
		valueBytes, m = binary.Uvarint(raw[offset+1+n:])
		if m <= 0 {
			return e, false
		}
		at = offset + 1 + n + m
	}
	rest := uint64(len(raw) - at)
	if keyBytes > rest || valueBytes > rest-keyBytes {
		return e, false
	}
	e.suffix, e.value = at, at+int(keyBytes)
	e.end = e.value + int(valueBytes)
	return e, e.kind().Valid() && e.form < formLarge<<1
}

// find returns the entry of a key, or its prefix tombstone if tombstone is set. hash is the
// hash of the key. ok is false if the block is invalid.
func (b *block) find(key []byte, hash uint64, tombstone bool) (e item, found, ok bool) {
	if len(key) < b.prefixBytes || !bytes.Equal(key[:b.prefixBytes], b.prefix()) {
		return e, false, true
	}
	suffix := key[b.prefixBytes:]
	if tombstone {
		hash ^= tombstoneSalt
	}
	offsetBits := uint(bits.Len32(uint32(b.offsets)))
	mark := bucketMark(hash, b.width, offsetBits)
	at := bucketOf(hash, b.bucketCount)
	for range b.bucketCount {
		v := b.number(b.buckets, at)
		if v == 0 {
			return e, false, true
		}
		if v>>offsetBits<<offsetBits == mark {
			if e, ok = b.at(int(v^mark) - 1); !ok {
				return e, false, false
			}
			if (e.kind() == run.DeletePrefix) == tombstone && bytes.Equal(b.suffix(e), suffix) {
				return e, true, true
			}
		}
		if at++; at == b.bucketCount {
			at = 0
		}
	}
	return e, false, false // a valid block has an empty bucket
}

// search returns the index of the first entry whose key is at least key. ok is false if the
// block is invalid.
func (b *block) search(key []byte) (i int, ok bool) {
	n := min(len(key), b.prefixBytes)
	switch bytes.Compare(key[:n], b.prefix()) {
	case -1:
		return 0, true
	case 1:
		return b.count, true
	}
	suffix := key[n:]
	low, high := 0, b.count
	for low < high {
		middle := int(uint(low+high) >> 1)
		e, ok := b.at(b.offset(middle))
		if !ok {
			return 0, false
		}
		if bytes.Compare(b.suffix(e), suffix) < 0 {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low, true
}
