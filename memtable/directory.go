package memtable

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// directory finds records by the hash of their key: extendible hashing (Fagin et
// al., ACM TODS 4(3), 1979). The first bits of a hash choose a page; a page that
// is full becomes two, so that no operation moves more than a page's entries,
// but for the directory itself, 8 bytes for some hundreds of entries.
//
// A page is a line with its header and buckets of a line each. An entry lies in
// the bucket that its hash says, or, if that is full, in one of the following.
//
//	header: entries (4 B) | depth (1 B) | – | next page (8 B) | –
//	bucket: 7 x print (1 B) | passed (1 B) | 7 x slot (8 B)
//	slot:   first 24 bits of the hash | place of the record (40 bits)
//
// The print is the 8 bits after those in the slot; passed says that an entry went
// on from here. A page that cannot be split has a next page: one with many equal
// hashes, made so on purpose.
//
// Invariant: of every bucket, slots are filled from the first on; entries are
// never removed.
type directory struct {
	m       *memory
	pages   []ref // a power of two, by the first bits of the hash
	shift   uint  // by which a hash becomes an index of pages
	split   int   // pages that were made by splitting
	keyFrom ref   // of a record, its key begins here; see header for its length
	spare   ref   // a page that is used no more, with others after it
}

const (
	tagBits      = 64 - refBits
	bucketSlots  = 7
	pageBuckets  = 64
	pageBytes    = lineBytes * (1 + pageBuckets)
	pageDepth    = 4
	pageNext     = 8
	bucketPassed = 7
	// splitEntries is when a page is split: 80 % of its slots. Fewer than a
	// fifth of the entries are then beyond their bucket.
	splitEntries = 358
	// sparseBits is how much longer a directory may be than it has pages, as a
	// power of two, before hashes must be unlucky on purpose.
	sparseBits = 5
)

// find returns the record with a key, 0 if there is none.
func (d *directory) find(hash uint64, key []byte) ref {
	if len(d.pages) == 0 {
		return 0
	}
	tag, mark := hash>>refBits, byte(hash>>(refBits-8))
	for page := d.pages[hash>>d.shift]; page != 0; {
		bytes := d.m.at(page)[:pageBytes]
		for b := int(mark) % pageBuckets; ; {
			bucket := (*[lineBytes]byte)(bytes[lineBytes*(1+b):])
			for i := range bucketSlots {
				slot := binary.LittleEndian.Uint64(bucket[8+8*i:])
				if slot>>refBits == tag && bucket[i] == mark && slot != 0 {
					if r := ref(slot & refMask); d.holds(r, key) {
						return r
					}
				}
			}
			if bucket[bucketPassed] == 0 {
				return 0
			}
			if b = (b + 1) % pageBuckets; b == int(mark)%pageBuckets {
				break
			}
		}
		page = ref(binary.LittleEndian.Uint64(bytes[pageNext:]))
	}
	return 0
}

// holds says whether a record has a key.
func (d *directory) holds(r ref, key []byte) bool {
	b := d.m.at(r)
	n := header(binary.LittleEndian.Uint64(b)).keyBytes()
	return n == len(key) && string(b[d.keyFrom:int(d.keyFrom)+n]) == string(key)
}

// insert adds a record whose key has none.
func (d *directory) insert(hash uint64, r ref) {
	if len(d.pages) == 0 {
		d.pages, d.shift, d.split = []ref{d.newPage(0)}, 64, 1
	}
	page := d.pages[hash>>d.shift]
	for d.entries(page) >= splitEntries && d.splitPage(hash, page) {
		page = d.pages[hash>>d.shift]
	}
	d.place(page, hash&^refMask|uint64(r), byte(hash>>(refBits-8)))
}

// place puts a slot into the first free place of a page or those after it.
func (d *directory) place(page ref, slot uint64, mark byte) {
	first := d.m.at(page)
	binary.LittleEndian.PutUint32(first, binary.LittleEndian.Uint32(first)+1)
	for {
		bytes := d.m.at(page)[:pageBytes]
		for n := range pageBuckets {
			bucket := bytes[lineBytes*(1+(int(mark)+n)%pageBuckets):][:lineBytes]
			for i := range bucketSlots {
				if binary.LittleEndian.Uint64(bucket[8+8*i:]) == 0 {
					binary.LittleEndian.PutUint64(bucket[8+8*i:], slot)
					bucket[i] = mark
					return
				}
			}
			bucket[bucketPassed] = 1
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
	return int(binary.LittleEndian.Uint32(d.m.at(page)))
}

// newPage returns an empty page.
func (d *directory) newPage(depth int) ref {
	page := d.spare
	if page != 0 {
		d.spare = ref(d.m.load(page + pageNext))
	} else {
		page = d.m.alloc(pageBytes)
	}
	b := d.m.at(page)[:pageBytes]
	clear(b)
	b[pageDepth] = byte(depth)
	return page
}

// splitPage divides the entries of a page, to which a hash leads, between it and
// a new one by the next bit of their hashes, if the directory may grow so far.
func (d *directory) splitPage(hash uint64, page ref) bool {
	depth := uint(d.m.at(page)[pageDepth])
	if depth == tagBits || depth >= uint(bits.Len(uint(d.split))+sparseBits) {
		return false
	}
	if depth == 64-d.shift {
		d.double()
	}
	d.split++
	other := d.newPage(int(depth) + 1)
	width := 1 << (64 - d.shift - depth) // places of the directory that lead to the page
	at := int(hash>>d.shift) &^ (width - 1)
	for i := at + width/2; i < at+width; i++ {
		d.pages[i] = other
	}
	var old [pageBytes]byte
	copy(old[:], d.m.at(page))
	b := d.m.at(page)[:pageBytes]
	clear(b)
	b[pageDepth] = byte(depth) + 1
	bit := uint64(1) << (63 - depth)
	d.deal(old[:], bit, page, other)
	for next := ref(binary.LittleEndian.Uint64(old[pageNext:])); next != 0; {
		bytes := d.m.at(next)[:pageBytes]
		d.deal(bytes, bit, page, other)
		after := ref(binary.LittleEndian.Uint64(bytes[pageNext:]))
		binary.LittleEndian.PutUint64(bytes[pageNext:], uint64(d.spare))
		d.spare, next = next, after
	}
	return true
}

// deal puts the entries of a page's bytes into one of two pages.
func (d *directory) deal(bytes []byte, bit uint64, zero, one ref) {
	for b := lineBytes; b < pageBytes; b += lineBytes {
		bucket := (*[lineBytes]byte)(bytes[b:])
		for i := range bucketSlots {
			slot := binary.LittleEndian.Uint64(bucket[8+8*i:])
			switch {
			case slot == 0:
			case slot&bit == 0:
				d.place(zero, slot, bucket[i])
			default:
				d.place(one, slot, bucket[i])
			}
		}
	}
}

// double makes the directory look at one more bit.
func (d *directory) double() {
	pages := make([]ref, 0, 2*len(d.pages))
	for _, page := range d.pages {
		pages = append(pages, page, page)
	}
	d.pages = pages
	d.shift--
}

// each calls do with every record.
func (d *directory) each(do func(ref)) {
	for _, page := range slices.Compact(slices.Clone(d.pages)) {
		for page != 0 {
			bytes := d.m.at(page)[:pageBytes]
			for b := lineBytes; b < pageBytes; b += lineBytes {
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
