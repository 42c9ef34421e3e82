package sstable

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/s2"

	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/vfs"
)

// The builder in this file writes tables according to docs/format-sstable.md, independently of
// Writer. It does not enforce the rules of the format, so it can write any invalid table with
// correct checksums.

func u16(n int) []byte    { return binary.BigEndian.AppendUint16(nil, uint16(n)) }
func u32(n int) []byte    { return binary.BigEndian.AppendUint32(nil, uint32(n)) }
func u64(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
func uv(n int) []byte     { return binary.AppendUvarint(nil, uint64(n)) }
func txt(b []byte) []byte { return append(uv(len(b)), b...) }

func bound(b []byte) []byte {
	if b == nil {
		return []byte{0}
	}
	return append(uv(len(b)+1), b...)
}

// building is a file under construction.
type building struct {
	id       vfs.Identity
	compress bool
	file     []byte
}

func (b *building) put(pieces ...[]byte) {
	for _, p := range pieces {
		b.file = append(b.file, p...)
	}
}

// sum returns the checksum of bytes at an offset.
func (b *building) sum(bytes []byte, offset int) []byte {
	place := append(slices.Clone(b.id[:]), u64(uint64(offset))...)
	return u64(xxhash.Sum64(bytes) ^ xxhash.Sum64(place))
}

func (b *building) header(version int) {
	b.file = slices.Concat([]byte("WEIRSSTB"), u16(version), make([]byte, 6), b.id[:])
	b.put(u64(xxhash.Sum64(b.file)))
}

// block returns a block for an offset.
func (b *building) block(compression byte, stored []byte, rawBytes, offset int) []byte {
	all := slices.Concat(stored, u64(uint64(compression)<<56|uint64(rawBytes)))
	return append(all, b.sum(all, offset)...)
}

// raw appends an uncompressed block and returns its size.
func (b *building) raw(content []byte) int {
	all := b.block(0, content, len(content), len(b.file))
	b.put(all)
	return len(all)
}

// packed appends a block, compressed with S2 if compression is on and saves at least one
// eighth.
func (b *building) packed(content []byte) int {
	stored := s2.Encode(nil, content)
	if !b.compress || len(content) > 1<<20 || len(stored) > len(content)-len(content)/8 {
		return b.raw(content)
	}
	all := b.block(1, stored, len(content), len(b.file))
	b.put(all)
	return len(all)
}

func (b *building) footer(filter, index, ranges, properties int64) {
	at := len(b.file)
	for _, size := range []int64{filter, index, ranges, properties} {
		b.put(u64(uint64(size)))
	}
	b.put(b.sum(b.file[at:], at), []byte("WEIRSSTE"))
}

// builtHash returns the hash of an entry.
func builtHash(e run.Entry) uint64 {
	h := xxhash.Sum64(e.Key)
	if e.Kind == run.DeletePrefix {
		h ^= 0x9E3779B97F4A7C15
	}
	return h
}

func common(a, b []byte) (n int) {
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// builtEntries returns an uncompressed data block. forms are added to the kinds of the
// entries.
func builtEntries(entries []run.Entry, forms []byte) []byte {
	p := common(entries[0].Key, entries[len(entries)-1].Key)
	var content []byte
	var offsets []int
	for i, e := range entries {
		offsets = append(offsets, len(content))
		content = slices.Concat(content, []byte{byte(e.Kind) + forms[i]},
			uv(len(e.Key)-p), uv(len(e.Value.Bytes)), e.Key[p:], e.Value.Bytes)
	}
	n := len(entries)
	b := n + n/3 + 1
	w := 2
	if len(content)+(n+b)*w+p+6 > 65536 {
		w = 4
	}
	k := bits.Len(uint(len(content)))
	buckets := make([]uint64, b)
	for i, e := range entries {
		h := builtHash(e)
		at := int((h & 0xffffffff) * uint64(b) >> 32)
		for buckets[at] != 0 {
			at = (at + 1) % b
		}
		buckets[at] = uint64(offsets[i]+1) | h>>32<<k
	}
	number := func(v uint64) {
		all := u64(v)
		content = append(content, all[8-w:]...)
	}
	for _, o := range offsets {
		number(uint64(o))
	}
	for _, v := range buckets {
		number(v)
	}
	return slices.Concat(content, entries[0].Key[:p], u32(p), u16(n))
}

func builtFilter(hashes []uint64, bitsPerHash int) (filter []byte, probes int) {
	blocks := max((len(hashes)*bitsPerHash+511)/512, 1)
	probes = min(max(bitsPerHash*69/100, 1), 7)
	filter = make([]byte, 64*blocks)
	for _, h := range hashes {
		block, _ := bits.Mul64(h, uint64(blocks))
		x := h * 0x9E3779B97F4A7C15
		for range probes {
			bit := x >> 55
			filter[64*block+bit/8] |= 1 << (bit % 8)
			x <<= 9
		}
	}
	return filter, probes
}

func builtSeparator(a, b []byte) []byte {
	c := common(a, b)
	switch {
	case c == len(a):
		return a
	case a[c]+1 < b[c]:
		return append(slices.Clone(a[:c]), a[c]+1)
	case len(b) > c+1:
		return b[:c+1]
	}
	for i := c + 1; i < len(a); i++ {
		if a[i] != 255 {
			return append(slices.Clone(a[:i]), a[i]+1)
		}
	}
	return a
}

func builtIndex(separators [][]byte, offsets, sizes []int) []byte {
	p := 0
	var prefix []byte
	if n := len(separators); n > 0 {
		p = common(separators[0], separators[n-1])
		prefix = separators[0][:p]
	}
	var heads, ends, all, places, extents []byte
	for _, s := range separators {
		heads = append(heads, append(slices.Clone(s[p:]), make([]byte, 8)...)[:8]...)
		all = append(all, s[p:]...)
		ends = append(ends, u64(uint64(len(all)))...)
	}
	for i := range offsets {
		places = append(places, u64(uint64(offsets[i]))...)
		extents = append(extents, u64(uint64(sizes[i]))...)
	}
	return slices.Concat(u64(uint64(len(offsets))), u64(uint64(p)), prefix, heads, ends, places, extents, all)
}

func builtRanges(ranges run.Ranges) []byte {
	b := uv(len(ranges))
	for _, r := range ranges {
		b = slices.Concat(b, txt(r.From), bound(r.To))
	}
	return b
}

func builtProperties(split string, probes int, i Info) []byte {
	b := append(txt([]byte(split)), byte(probes))
	for _, n := range []int64{i.Entries, i.Deletes, i.Appends, i.Tombstones, i.KeyBytes, i.ValueBytes} {
		b = append(b, uv(int(n))...)
	}
	return slices.Concat(b, txt(i.Range.From), bound(i.Range.To))
}

// built returns a whole file. groups are the entries of each data block; values above
// largeBytes are written as chunks.
func built(id vfs.Identity, compress bool, groups [][]run.Entry, ranges run.Ranges, split run.Split, info Info, filterBits, largeBytes int) []byte {
	b := building{id: id, compress: compress}
	b.header(1)
	var hashes []uint64
	var separators [][]byte
	var offsets, sizes []int
	var prefix []byte
	for g, entries := range groups {
		entries = slices.Clone(entries)
		forms := make([]byte, len(entries))
		for i := range entries {
			e := &entries[i]
			hashes = append(hashes, builtHash(*e))
			if p := e.Key[:split.Func(e.Key)]; e.Kind != run.DeletePrefix && len(p) < len(e.Key) && (prefix == nil || !bytes.Equal(prefix, p)) {
				prefix = p
				hashes = append(hashes, xxhash.Sum64(p))
			}
			if len(e.Value.Bytes) > largeBytes {
				e.Value.Bytes, forms[i] = b.chunks(e.Value.Bytes), 8
			}
		}
		offsets = append(offsets, len(b.file))
		sizes = append(sizes, b.packed(builtEntries(entries, forms)))
		if g > 0 {
			before := groups[g-1]
			separators = append(separators, builtSeparator(before[len(before)-1].Key, entries[0].Key))
		}
	}
	filter, probes := builtFilter(hashes, filterBits)
	filterBytes := b.raw(filter)
	indexBytes := b.raw(builtIndex(separators, offsets, sizes))
	rangesBytes := 0
	if len(ranges) > 0 {
		rangesBytes = b.raw(builtRanges(ranges))
	}
	propertiesBytes := b.raw(builtProperties(split.Name, probes, info))
	b.footer(int64(filterBytes), int64(indexBytes), int64(rangesBytes), int64(propertiesBytes))
	return b.file
}

// chunks appends a large value and returns the reference to it.
func (b *building) chunks(value []byte) []byte {
	from := len(b.file)
	for piece := range slices.Chunk(value, 262144) {
		b.put(u32(0))
		size := b.packed(piece)
		copy(b.file[len(b.file)-size-4:], u32(size))
	}
	return slices.Concat(u64(uint64(from)), u64(uint64(len(value))), u64(uint64(len(b.file)-from)))
}
