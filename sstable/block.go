package sstable

import (
	"bytes"
	"encoding/binary"

	"github.com/weirstate/weir/internal/run"
)

// A data block, raw:
//
//	common prefix of its keys | entries | their offsets, 2 or 4 bytes each |
//	buckets, 1 or 2 bytes each | size of the prefix (2) | entries (2)
//
// An entry is its form (1), the size of its suffix, the size of its value (both
// uvarint), the suffix, the value. The buckets are an open hash table from
// keys to numbers of entries: a point read looks at one entry, nearly always.
const (
	blockTailBytes = 4
	minItemBytes   = 3
	maxPrefixBytes = 1<<16 - 1
	maxEntries     = 1<<16 - 1

	// maxNarrowBytes is up to which raw size offsets have 2 bytes.
	maxNarrowBytes = 1 << 16
	// maxByteEntries is up to which number of entries buckets have 1 byte: 0 is
	// a bucket that is empty.
	maxByteEntries = 1<<8 - 1

	formKind  = 0x07
	formLarge = 0x08 // the value is a reference to chunks
)

// tombstoneSalt separates prefixes of tombstones from keys, where both are
// hashed.
const tombstoneSalt = 0x9E3779B97F4A7C15

// bucketCount is two thirds full: one and a half bytes for an entry.
func bucketCount(entries int) int { return entries + entries/2 + 1 }

func bucketOf(hash uint64, buckets int) int {
	return int(uint64(uint32(hash)) * uint64(buckets) >> 32)
}

func bucketWidth(entries int) int {
	if entries <= maxByteEntries {
		return 1
	}
	return 2
}

func offsetWidth(rawBytes int) int {
	if rawBytes <= maxNarrowBytes {
		return 2
	}
	return 4
}

// block is a data block that is being read. It trusts nothing in it.
type block struct {
	raw         []byte
	prefixBytes int
	count       int // entries
	offsets     int // where they begin, and entries end
	buckets     int // where they begin
}

// parse takes a raw block, and says whether its parts fit into it.
func (b *block) parse(raw []byte) bool {
	end := len(raw) - blockTailBytes
	if end < 0 {
		return false
	}
	b.raw = raw
	b.prefixBytes = int(binary.BigEndian.Uint16(raw[end:]))
	b.count = int(binary.BigEndian.Uint16(raw[end+2:]))
	b.buckets = end - bucketCount(b.count)*bucketWidth(b.count)
	b.offsets = b.buckets - b.count*offsetWidth(len(raw))
	return b.count > 0 && b.prefixBytes <= b.offsets
}

func (b *block) prefix() []byte { return b.raw[:b.prefixBytes] }

// offset is where an entry begins.
func (b *block) offset(i int) int {
	if len(b.raw) <= maxNarrowBytes {
		return int(binary.BigEndian.Uint16(b.raw[b.offsets+2*i:]))
	}
	return int(binary.BigEndian.Uint32(b.raw[b.offsets+4*i:]))
}

// item is an entry as it stands in a block.
type item struct {
	form          byte
	suffix, value []byte
	end           int // where the next one begins
}

func (e *item) kind() run.Kind { return run.Kind(e.form & formKind) }

// at reads the entry that begins at an offset, and says whether there is one.
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
	middle := at + int(keyBytes)
	e.end = middle + int(valueBytes)
	e.suffix, e.value = raw[at:middle:middle], raw[middle:e.end:e.end]
	kind := run.Kind(e.form & formKind)
	return e, kind.Valid() && e.form < formLarge<<1
}

// find looks for the entry of a key, its tombstone or the other one. hash is
// that of the key; ok is false if the block is not sound.
func (b *block) find(key []byte, hash uint64, tombstone bool) (e item, found, ok bool) {
	if len(key) < b.prefixBytes || !bytes.Equal(key[:b.prefixBytes], b.raw[:b.prefixBytes]) {
		return e, false, true
	}
	suffix := key[b.prefixBytes:]
	if tombstone {
		hash ^= tombstoneSalt
	}
	buckets := bucketCount(b.count)
	narrow := bucketWidth(b.count) == 1
	at := bucketOf(hash, buckets)
	for range buckets {
		var i int
		if narrow {
			i = int(b.raw[b.buckets+at])
		} else {
			i = int(binary.BigEndian.Uint16(b.raw[b.buckets+2*at:]))
		}
		if i == 0 {
			return e, false, true
		}
		if i > b.count {
			return e, false, false
		}
		if e, ok = b.at(b.offset(i - 1)); !ok {
			return e, false, false
		}
		if (e.kind() == run.DeletePrefix) == tombstone && bytes.Equal(e.suffix, suffix) {
			return e, true, true
		}
		if at++; at == buckets {
			at = 0
		}
	}
	return e, false, false // at least one bucket is empty
}

// search returns the number of the first entry whose key is at least key; ok is
// false if the block is not sound.
func (b *block) search(key []byte) (i int, ok bool) {
	n := min(len(key), b.prefixBytes)
	switch bytes.Compare(key[:n], b.raw[:b.prefixBytes]) {
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
		if bytes.Compare(e.suffix, suffix) < 0 {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low, true
}
