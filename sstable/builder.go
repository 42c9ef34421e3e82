package sstable

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/weirstate/weir/run"
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
		return len(key)
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

// tableBytes is what offsets, buckets and tail take beside so many bytes.
func tableBytes(entries, otherBytes int64) int64 {
	numbers := entries + int64(bucketCount(int(entries)))
	if size := 2*numbers + blockTailBytes; otherBytes+size <= maxNarrowBytes {
		return size
	}
	return 4*numbers + blockTailBytes
}

// add takes an entry, whose bytes are copied.
func (b *builder) add(form byte, hash uint64, key, value []byte) {
	b.prefix = b.prefixWith(key)
	at := len(b.bytes)
	b.bytes = slices.Grow(b.bytes, len(key)+len(value))
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
	b.prefix = sharedBytes(b.firstKey(), b.lastKey())
	return last
}

// finish returns the raw block, good until the next call, and begins another.
func (b *builder) finish() []byte {
	// With a key of 2 GiB, each time that this grew would count.
	dst := slices.Grow(b.block[:0], int(b.size())+trailerBytes)
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
	dst = b.appendTables(dst)
	dst = append(dst, b.bytes[:b.prefix]...)
	dst = binary.BigEndian.AppendUint32(dst, uint32(b.prefix))
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(b.entries)))
	b.entries, b.bytes, b.prefix, b.rawBytes = b.entries[:0], b.bytes[:0], 0, 0
	if b.block = dst; cap(dst) > maxKeptBytes {
		b.block, b.bytes = nil, nil
	}
	return dst
}

// maxKeptBytes is up to which size buffers are kept for the next block.
const maxKeptBytes = 2 << 20

func (b *builder) appendTables(dst []byte) []byte {
	n, end := len(b.entries), len(dst)
	width := 2
	if int64(end+b.prefix)+tableBytes(int64(n), int64(end+b.prefix)) > maxNarrowBytes {
		width = 4
	}
	buckets := end + n*width
	dst = slices.Grow(dst, (n+bucketCount(n))*width)[:buckets+bucketCount(n)*width]
	clear(dst[buckets:])
	offsetBits := uint(bits.Len32(uint32(end)))
	for i := range b.entries {
		e := &b.entries[i]
		putNumber(dst[end+i*width:], width, uint32(e.key))
		enter(dst[buckets:], width, e.hash, bucketMark(e.hash, width, offsetBits)|uint32(e.key+1))
	}
	return dst
}

// getNumber reads an offset or a bucket; putNumber writes one.
func getNumber(b []byte, width int) uint32 {
	if width == 2 {
		return uint32(binary.BigEndian.Uint16(b))
	}
	return binary.BigEndian.Uint32(b)
}

func putNumber(b []byte, width int, v uint32) {
	if width == 2 {
		binary.BigEndian.PutUint16(b, uint16(v))
		return
	}
	binary.BigEndian.PutUint32(b, v)
}

// enter puts an entry into the first empty bucket from the one of its hash on,
// the first one after the last.
func enter(buckets []byte, width int, hash uint64, bucket uint32) {
	count := len(buckets) / width
	at := bucketOf(hash, count)
	for getNumber(buckets[at*width:], width) != 0 {
		if at++; at == count {
			at = 0
		}
	}
	putNumber(buckets[at*width:], width, bucket)
}

// entryHash is that of an entry in buckets and filters.
func entryHash(kind run.Kind, key []byte) uint64 {
	if kind == run.DeletePrefix {
		return run.Hash(key) ^ tombstoneSalt
	}
	return run.Hash(key)
}
