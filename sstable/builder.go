package sstable

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/weirstate/weir/run"
)

// builder builds data blocks. It is used by one goroutine.
type builder struct {
	entries  []pending
	bytes    []byte // key, value, key, value…
	prefix   int    // size of the common prefix of all keys
	rawBytes int64  // size of the entries with whole keys
	block    []byte
}

// pending is an entry of the block under construction. Its bytes end where the bytes of the
// next entry begin.
type pending struct {
	form            byte
	hash            uint64 // hash of the key, salted for a tombstone
	key, value, end int    // positions in builder.bytes
}

// entryOverhead returns the maximum size of an entry in addition to its key and value, without
// its offset and bucket.
func entryOverhead(keyBytes, valueBytes int64) int64 {
	return 1 + uvarintBytes(uint64(keyBytes)) + uvarintBytes(uint64(valueBytes))
}

// uvarintBytes returns the size of n as a uvarint.
func uvarintBytes(n uint64) int64 { return int64(bits.Len64(n|1)+6) / 7 }

// sharedBytes returns the size of the common prefix of a and b.
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

// empty reports whether the block has no entries.
func (b *builder) empty() bool { return len(b.entries) == 0 }

// firstKey returns the first key; the block must not be empty.
func (b *builder) firstKey() []byte { return b.bytes[:b.entries[0].value] }

// lastKey returns the last key; the block must not be empty.
func (b *builder) lastKey() []byte {
	e := &b.entries[len(b.entries)-1]
	return b.bytes[e.key:e.value]
}

// prefixWith returns the size of the common prefix after key is added. key must not be below
// the last key.
func (b *builder) prefixWith(key []byte) int {
	if b.empty() {
		return len(key)
	}
	return sharedBytes(b.firstKey()[:b.prefix], key)
}

// sizeWith returns an upper bound of the uncompressed size of the block after an entry is
// added.
func (b *builder) sizeWith(key []byte, valueBytes int64) int64 {
	prefix := int64(b.prefixWith(key))
	n := int64(len(b.entries)) + 1
	size := b.rawBytes + entryOverhead(int64(len(key)), valueBytes) + int64(len(key)) + valueBytes - (n-1)*prefix
	return size + tableBytes(n, size)
}

// size returns an upper bound of the uncompressed size of the block, 0 if it is empty.
func (b *builder) size() int64 {
	if b.empty() {
		return 0
	}
	n := int64(len(b.entries))
	size := b.rawBytes - (n-1)*int64(b.prefix)
	return size + tableBytes(n, size)
}

// tableBytes returns the size of offsets, buckets and tail for a block with the given number
// of entries and otherBytes of other content.
func tableBytes(entries, otherBytes int64) int64 {
	numbers := entries + int64(bucketCount(int(entries)))
	if size := 2*numbers + blockTailBytes; otherBytes+size <= maxNarrowBytes {
		return size
	}
	return 4*numbers + blockTailBytes
}

// add adds a copy of an entry.
func (b *builder) add(form byte, hash uint64, key, value []byte) {
	b.prefix = b.prefixWith(key)
	at := len(b.bytes)
	b.bytes = slices.Grow(b.bytes, len(key)+len(value))
	b.bytes = append(append(b.bytes, key...), value...)
	b.entries = append(b.entries, pending{form, hash, at, at + len(key), len(b.bytes)})
	b.rawBytes += entryOverhead(int64(len(key)), int64(len(value))) + int64(len(key)+len(value))
}

// pop removes and returns the last entry, which must be a tombstone and not the only entry.
func (b *builder) pop() pending {
	last := b.entries[len(b.entries)-1]
	b.entries = b.entries[:len(b.entries)-1]
	b.bytes = b.bytes[:last.key]
	keyBytes := int64(last.value - last.key)
	b.rawBytes -= entryOverhead(keyBytes, 0) + keyBytes
	b.prefix = sharedBytes(b.firstKey(), b.lastKey())
	return last
}

// finish returns the uncompressed block and begins the next one. The bytes are valid until the
// next call.
func (b *builder) finish() []byte {
	// Reserve the whole size: with a key of 2 GiB, each reallocation would be expensive.
	dst := slices.Grow(b.block[:0], int(b.size())+trailerBytes)
	for i := range b.entries {
		e := &b.entries[i]
		suffix := e.key + b.prefix
		// From here on, e.key is the position of the entry in the block.
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

// maxKeptBytes is the maximum size of buffers that are kept for the next block.
const maxKeptBytes = 2 << 20

// appendTables appends offsets and buckets.
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
		insertBucket(dst[buckets:], width, e.hash, bucketMark(e.hash, width, offsetBits)|uint32(e.key+1))
	}
	return dst
}

// getNumber reads an offset or a bucket.
func getNumber(b []byte, width int) uint32 {
	if width == 2 {
		return uint32(binary.BigEndian.Uint16(b))
	}
	return binary.BigEndian.Uint32(b)
}

// putNumber writes an offset or a bucket.
func putNumber(b []byte, width int, v uint32) {
	if width == 2 {
		binary.BigEndian.PutUint16(b, uint16(v))
		return
	}
	binary.BigEndian.PutUint32(b, v)
}

// insertBucket stores an entry in the first empty bucket, beginning at the bucket of its hash and
// continuing at bucket 0 after the last.
func insertBucket(buckets []byte, width int, hash uint64, bucket uint32) {
	count := len(buckets) / width
	at := bucketOf(hash, count)
	for getNumber(buckets[at*width:], width) != 0 {
		if at++; at == count {
			at = 0
		}
	}
	putNumber(buckets[at*width:], width, bucket)
}

// entryHash returns the hash of an entry, as used in buckets and filters.
func entryHash(kind run.Kind, key []byte) uint64 {
	if kind == run.DeletePrefix {
		return run.Hash(key) ^ tombstoneSalt
	}
	return run.Hash(key)
}
