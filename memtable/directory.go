package memtable

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// directory finds records by the hash of their key. It uses extendible hashing (Fagin et al.,
// ACM TODS 4(3), 1979).
//
// Problem: a hash table that doubles copies all entries at once, and one write of a million
// waits for it. A memtable has millions of entries and each write has an operator waiting.
//
// Idea: entries are in pages of 4 KiB; the first bits of a hash choose the page through an
// array (pages). A full page is split into two by the next bit of the hashes, so an insert moves
// the entries of one page at most. Only the array doubles as a whole: 8 bytes for each few
// hundred entries.
//
//	hash: | first bits: page .. | 24 bits: tag  | 8 bits: fingerprint | - |
//	       shift                                 its low 6 bits: bucket
//
//	pages            page: 65 cache lines        bucket: one cache line
//	00 --------> +---------------------+         +------------------------+------------+
//	01 --------> | header              |         | 7 x fingerprint (1 B)  | overflowed |
//	10 --+       +---------------------+         +------------------------+------------+
//	11 --+-+     | bucket 0 ... 63     |         | 7 x slot (8 B): tag 24 b | ref 40 b  |
//	     v v     +---------------------+         +------------------------+------------+
//
//	page header: entries (4 B) | depth (1 B) | - | next page (8 B) | -
//
// An entry is in the bucket that its fingerprint chooses or, if that was full, in the first later
// bucket with a free slot; the full buckets on the way are marked overflowed. A lookup compares
// fingerprint and tag (32 bits of the hash) before it reads a record, so it usually has three
// cache misses: pages, bucket, record.
//
// To iterate, each visits pages in their order in the array; the records are sorted afterwards
// (see sorter), because hash order is useless for a file.
//
// Keys with equal hashes, which an attacker can choose, cannot be separated by splitting. A page
// that may not be split any more gets a list of next pages, and lookups become linear there. The
// limit sparseBits keeps such keys from doubling the array without end.
//
// Invariant: a page of depth d is in 2^(bits - d) consecutive elements of pages.
// Invariant: the slots of a bucket are filled from the first one; entries are never removed.
// Invariant: if an entry is after its bucket, all buckets in between are marked overflowed.
//
// Cost: 64 B of bucket for 7 entries, at most 80 % full: 11 to 23 B for each key.
type directory struct {
	arena     *arena
	pages     []ref // 2^bits elements, indexed by the first bits of the hash
	shift     uint  // 64 - bits: hash >> shift is the index in pages
	pageCount int   // pages created by splitting, plus one
	keyOffset ref   // offset of the key in a record; the first word has its length, see header
	freePages ref   // list of pages that are no longer used
}

const (
	tagBits          = 64 - refBits
	bucketSlots      = 7
	pageBuckets      = 64
	pageBytes        = cacheLineBytes * (1 + pageBuckets)
	pageDepth        = 4
	pageNext         = 8
	bucketOverflowed = 7
	// A page is split at splitEntries, 80 % of its slots. Fewer than a fifth of its entries are
	// then outside their bucket.
	splitEntries = 358
	// The array may have 2^sparseBits times as many elements as there are pages. More are needed
	// only if hashes were chosen to collide.
	sparseBits = 5
)

// find returns the record of a key, or 0.
func (d *directory) find(hash uint64, key []byte) ref {
	if len(d.pages) == 0 {
		return 0
	}
	tag, fingerprint := hash>>refBits, byte(hash>>(refBits-8))
	for page := d.pages[hash>>d.shift]; page != 0; {
		bytes := d.arena.at(page)[:pageBytes]
		for b := int(fingerprint) % pageBuckets; ; {
			bucket := (*[cacheLineBytes]byte)(bytes[cacheLineBytes*(1+b):])
			for i := range bucketSlots {
				slot := binary.LittleEndian.Uint64(bucket[8+8*i:])
				if slot>>refBits == tag && bucket[i] == fingerprint && slot != 0 {
					if r := ref(slot & refMask); d.hasKey(r, key) {
						return r
					}
				}
			}
			if bucket[bucketOverflowed] == 0 {
				return 0
			}
			if b = (b + 1) % pageBuckets; b == int(fingerprint)%pageBuckets {
				break
			}
		}
		page = ref(binary.LittleEndian.Uint64(bytes[pageNext:]))
	}
	return 0
}

// hasKey reports whether r is the record of key.
func (d *directory) hasKey(r ref, key []byte) bool {
	b := d.arena.at(r)
	n := header(binary.LittleEndian.Uint64(b)).keyBytes()
	return n == len(key) && string(b[d.keyOffset:int(d.keyOffset)+n]) == string(key)
}

// insert adds a record whose key is not in the directory.
func (d *directory) insert(hash uint64, r ref) {
	if len(d.pages) == 0 {
		d.pages, d.shift, d.pageCount = []ref{d.newPage(0)}, 64, 1
	}
	page := d.pages[hash>>d.shift]
	for d.entries(page) >= splitEntries && d.splitPage(hash, page) {
		page = d.pages[hash>>d.shift]
	}
	d.insertSlot(page, hash&^refMask|uint64(r), byte(hash>>(refBits-8)))
}

// insertSlot puts a slot into the first free place at or after its bucket, in the page or its
// next pages.
func (d *directory) insertSlot(page ref, slot uint64, fingerprint byte) {
	first := d.arena.at(page)
	binary.LittleEndian.PutUint32(first, binary.LittleEndian.Uint32(first)+1)
	for {
		bytes := d.arena.at(page)[:pageBytes]
		for n := range pageBuckets {
			bucket := bytes[cacheLineBytes*(1+(int(fingerprint)+n)%pageBuckets):][:cacheLineBytes]
			for i := range bucketSlots {
				if binary.LittleEndian.Uint64(bucket[8+8*i:]) == 0 {
					binary.LittleEndian.PutUint64(bucket[8+8*i:], slot)
					bucket[i] = fingerprint
					return
				}
			}
			bucket[bucketOverflowed] = 1
		}
		next := ref(binary.LittleEndian.Uint64(bytes[pageNext:]))
		if next == 0 {
			next = d.newPage(0)
			binary.LittleEndian.PutUint64(bytes[pageNext:], uint64(next))
		}
		page = next
	}
}

func (d *directory) entries(page ref) int {
	return int(binary.LittleEndian.Uint32(d.arena.at(page)))
}

// newPage returns an empty page.
func (d *directory) newPage(depth int) ref {
	page := d.freePages
	if page != 0 {
		d.freePages = ref(d.arena.load(page + pageNext))
	} else {
		page = d.arena.alloc(pageBytes)
	}
	b := d.arena.at(page)[:pageBytes]
	clear(b)
	b[pageDepth] = byte(depth)
	return page
}

// splitPage moves the entries of a page whose next bit of the hash is 1 to a new page. hash is
// the hash of any entry of the page. It reports whether the page was split; the array of pages
// may not grow without limit.
func (d *directory) splitPage(hash uint64, page ref) bool {
	depth := uint(d.arena.at(page)[pageDepth])
	if depth == tagBits || depth >= uint(bits.Len(uint(d.pageCount))+sparseBits) {
		return false
	}
	if depth == 64-d.shift {
		d.double()
	}
	d.pageCount++
	other := d.newPage(int(depth) + 1)
	width := 1 << (64 - d.shift - depth) // elements of pages that refer to the page
	at := int(hash>>d.shift) &^ (width - 1)
	for i := at + width/2; i < at+width; i++ {
		d.pages[i] = other
	}
	var old [pageBytes]byte
	copy(old[:], d.arena.at(page))
	b := d.arena.at(page)[:pageBytes]
	clear(b)
	b[pageDepth] = byte(depth) + 1
	bit := uint64(1) << (63 - depth)
	d.distribute(old[:], bit, page, other)
	for next := ref(binary.LittleEndian.Uint64(old[pageNext:])); next != 0; {
		bytes := d.arena.at(next)[:pageBytes]
		d.distribute(bytes, bit, page, other)
		after := ref(binary.LittleEndian.Uint64(bytes[pageNext:]))
		binary.LittleEndian.PutUint64(bytes[pageNext:], uint64(d.freePages))
		d.freePages, next = next, after
	}
	return true
}

// distribute inserts the entries of a page's content into the pages zero and one, by a bit of
// their hashes.
func (d *directory) distribute(bytes []byte, bit uint64, zero, one ref) {
	for b := cacheLineBytes; b < pageBytes; b += cacheLineBytes {
		bucket := (*[cacheLineBytes]byte)(bytes[b:])
		for i := range bucketSlots {
			slot := binary.LittleEndian.Uint64(bucket[8+8*i:])
			switch {
			case slot == 0:
			case slot&bit == 0:
				d.insertSlot(zero, slot, bucket[i])
			default:
				d.insertSlot(one, slot, bucket[i])
			}
		}
	}
}

// double doubles the array: pages are chosen by one more bit.
func (d *directory) double() {
	pages := make([]ref, 0, 2*len(d.pages))
	for _, page := range d.pages {
		pages = append(pages, page, page)
	}
	d.pages = pages
	d.shift--
}

// each calls do with every record, in no useful order.
func (d *directory) each(do func(ref)) {
	for _, page := range slices.Compact(slices.Clone(d.pages)) {
		for page != 0 {
			bytes := d.arena.at(page)[:pageBytes]
			for b := cacheLineBytes; b < pageBytes; b += cacheLineBytes {
				for i := range bucketSlots {
					if slot := binary.LittleEndian.Uint64(bytes[b+8+8*i:]); slot != 0 {
						do(ref(slot & refMask))
					}
				}
			}
			page = ref(binary.LittleEndian.Uint64(bytes[pageNext:]))
		}
	}
}
