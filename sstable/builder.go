package sstable

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/weirstate/weir/internal/run"
)

// builder makes data blocks. It belongs to one goroutine.
type builder struct {
	entries  []pending
	bytes    []byte // key, value, key, value…
	prefix   int    // size of the common prefix of the keys
	rawBytes int64  // of the entries with whole keys
	block    []byte
}

// pending is an entry whose bytes end where those of the next one begin.
type pending struct {
	form            byte
	hash            uint64 // of the key; salted if it is a tombstone
	key, value, end int    // where they begin and end
}

// entryOverhead is at most what an entry takes beside key and value, but for
// offset and buckets.
func entryOverhead(keyBytes, valueBytes int64) int64 {
	return 1 + uvarintBytes(uint64(keyBytes)) + uvarintBytes(uint64(valueBytes))
}

func uvarintBytes(n uint64) int64 { return int64(bits.Len64(n|1)+6) / 7 }

// sharedBytes is the size of the common prefix.
func sharedBytes(a, b []byte) int {
	n := min(len(a), len(b))
	i := 0
	for ; i+8 <= n; i += 8 {
		if x := binary.LittleEndian.Uint64(a[i:]) ^ binary.LittleEndian.Uint64(b[i:]); x != 0 {
			return i + bits.TrailingZeros64(x)>>3
		}
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
}

func (b *builder) empty() bool { return len(b.entries) == 0 }

// firstKey is that of the block; it is not empty.
func (b *builder) firstKey() []byte { return b.bytes[:b.entries[0].value] }

// lastKey is that of the last entry; the block is not empty.
func (b *builder) lastKey() []byte {
	e := &b.entries[len(b.entries)-1]
	return b.bytes[e.key:e.value]
}

// prefixWith is the size of the common prefix if a key is added, which is not
// below those that are there.
func (b *builder) prefixWith(key []byte) int {
	if b.empty() {
		return min(len(key), maxPrefixBytes)
	}
	return sharedBytes(b.firstKey()[:b.prefix], key)
}

// sizeWith is at most the raw size of the block if an entry is added.
func (b *builder) sizeWith(key []byte, valueBytes int64) int64 {
	prefix := int64(b.prefixWith(key))
	n := int64(len(b.entries)) + 1
	size := b.rawBytes + entryOverhead(int64(len(key)), valueBytes) + int64(len(key)) + valueBytes - (n-1)*prefix
	return size + tableBytes(n, size)
}

// size is at most the raw size of the block, 0 if it is empty.
func (b *builder) size() int64 {
	if b.empty() {
		return 0
	}
	n := int64(len(b.entries))
	size := b.rawBytes - (n-1)*int64(b.prefix)
	return size + tableBytes(n, size)
}

// tableBytes is what offsets, buckets and tail take at most.
func tableBytes(entries, rawBytes int64) int64 {
	buckets := int64(bucketCount(int(entries)) * bucketWidth(int(entries)))
	size := 2*entries + buckets + blockTailBytes
	if rawBytes+size > maxNarrowBytes {
		size += 2 * entries
	}
	return size
}

// add takes an entry, whose bytes are copied.
func (b *builder) add(form byte, hash uint64, key, value []byte) {
	b.prefix = b.prefixWith(key)
	at := len(b.bytes)
	b.bytes = append(append(b.bytes, key...), value...)
	b.entries = append(b.entries, pending{form, hash, at, at + len(key), len(b.bytes)})
	b.rawBytes += entryOverhead(int64(len(key)), int64(len(value))) + int64(len(key)+len(value))
}

// pop takes the last entry out again; it is not the only one, and a tombstone.
func (b *builder) pop() pending {
	last := b.entries[len(b.entries)-1]
	b.entries = b.entries[:len(b.entries)-1]
	b.bytes = b.bytes[:last.key]
	keyBytes := int64(last.value - last.key)
	b.rawBytes -= entryOverhead(keyBytes, 0) + keyBytes
	b.prefix = min(sharedBytes(b.firstKey(), b.lastKey()), maxPrefixBytes)
	return last
}

// finish returns the raw block, good until the next call, and begins another.
func (b *builder) finish() []byte {
	dst := append(b.block[:0], b.firstKey()[:b.prefix]...)
	for i := range b.entries {
		e := &b.entries[i]
		suffix := e.key + b.prefix
		// From here on, key is where the entry begins in the block.
		e.key = len(dst)
		dst = append(dst, e.form)
		dst = binary.AppendUvarint(dst, uint64(e.value-suffix))
		dst = binary.AppendUvarint(dst, uint64(e.end-e.value))
		dst = append(dst, b.bytes[suffix:e.end]...)
	}
	dst = slices.Grow(b.appendTables(dst), trailerBytes)
	b.entries, b.bytes, b.prefix, b.rawBytes = b.entries[:0], b.bytes[:0], 0, 0
	b.block = dst
	if cap(b.block) > maxKeptBytes {
		b.block, b.bytes = nil, nil
	}
	return dst
}

// maxKeptBytes is up to which size buffers are kept for the next block.
const maxKeptBytes = 2 << 20

func (b *builder) appendTables(dst []byte) []byte {
	n := len(b.entries)
	tables := n*2 + bucketCount(n)*bucketWidth(n) + blockTailBytes
	if len(dst)+tables <= maxNarrowBytes {
		for i := range b.entries {
			dst = binary.BigEndian.AppendUint16(dst, uint16(b.entries[i].key))
		}
	} else {
		for i := range b.entries {
			dst = binary.BigEndian.AppendUint32(dst, uint32(b.entries[i].key))
		}
	}
	dst = b.appendBuckets(dst)
	dst = binary.BigEndian.AppendUint16(dst, uint16(b.prefix))
	return binary.BigEndian.AppendUint16(dst, uint16(n))
}

// appendBuckets enters the entries in their order: the first free bucket from
// the one of its hash, the first after the last.
func (b *builder) appendBuckets(dst []byte) []byte {
	n := len(b.entries)
	count, width := bucketCount(n), bucketWidth(n)
	from := len(dst)
	for range count * width {
		dst = append(dst, 0)
	}
	buckets := dst[from:]
	for i := range b.entries {
		at := bucketOf(b.entries[i].hash, count)
		if width == 1 {
			for buckets[at] != 0 {
				if at++; at == count {
					at = 0
				}
			}
			buckets[at] = byte(i + 1)
			continue
		}
		for buckets[2*at]|buckets[2*at+1] != 0 {
			if at++; at == count {
				at = 0
			}
		}
		binary.BigEndian.PutUint16(buckets[2*at:], uint16(i+1))
	}
	return dst
}

// entryHash is that of an entry in buckets and filters.
func entryHash(kind run.Kind, key []byte) uint64 {
	if kind == run.DeletePrefix {
		return run.Hash(key) ^ tombstoneSalt
	}
	return run.Hash(key)
}
