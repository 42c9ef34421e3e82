package sstable

import (
	"encoding/binary"
	"fmt"

	"github.com/cespare/xxhash/v2"

	"github.com/weirstate/weir/vfs"
)

// The file, version 1. docs/format-sstable.md has a drawing.
//
//	header | data blocks and chunks of large values | filter | index |
//	ranges | properties | footer
const (
	headerMagic   = "WEIRSSTB"
	footerMagic   = "WEIRSSTE"
	formatVersion = 1

	// header: magic (8) | version (2) | zero (6) | identity (16) | xxh64 (8)
	headerBytes = 40
	// footer: sizes of filter, index, ranges, properties (8 each) | xxh64 (8) |
	// magic (8)
	footerBytes = 48
	// trailer of a block: compression (1) | raw size (7) | xxh64 (8)
	trailerBytes = 16
)

// checksum returns the checksum of bytes at an offset of the file. The same bytes at another
// offset or in another file have a different checksum.
func checksum(id *vfs.Identity, b []byte, offset int64) uint64 {
	var place [24]byte
	copy(place[:], id[:])
	binary.BigEndian.PutUint64(place[16:], uint64(offset))
	return xxhash.Sum64(b) ^ xxhash.Sum64(place[:])
}

// appendHeader appends the header of a file.
func appendHeader(b []byte, id vfs.Identity) []byte {
	b = append(b, headerMagic...)
	b = binary.BigEndian.AppendUint16(b, formatVersion)
	b = append(b, make([]byte, 6)...)
	b = append(b, id[:]...)
	return binary.BigEndian.AppendUint64(b, xxhash.Sum64(b[len(b)-32:]))
}

// parseHeader decodes the part of the header that all versions share, then the rest if the
// version is supported.
func parseHeader(b []byte) (id vfs.Identity, err error) {
	switch {
	case string(b[:8]) != headerMagic:
		return id, corrupt(0, "wrong magic number")
	case binary.BigEndian.Uint64(b[32:]) != xxhash.Sum64(b[:32]):
		return id, corrupt(0, "wrong checksum of the header")
	}
	if v := binary.BigEndian.Uint16(b[8:]); v != formatVersion {
		return id, fmt.Errorf("version %d, want %d: %w", v, formatVersion, ErrVersion)
	}
	if string(b[10:16]) != "\x00\x00\x00\x00\x00\x00" {
		return id, corrupt(10, "reserved bytes are not zero")
	}
	copy(id[:], b[16:])
	return id, nil
}

// sections has the sizes of the blocks that follow the data, in bytes, including trailers.
// Size 0 means that the filter or the ranges are missing.
type sections struct{ filter, index, ranges, properties int64 }

// total returns the size of all sections.
func (s sections) total() int64 { return s.filter + s.index + s.ranges + s.properties }

// appendFooter appends the footer for an offset of the file.
func (s sections) appendFooter(b []byte, id vfs.Identity, offset int64) []byte {
	from := len(b)
	for _, size := range []int64{s.filter, s.index, s.ranges, s.properties} {
		b = binary.BigEndian.AppendUint64(b, uint64(size))
	}
	b = binary.BigEndian.AppendUint64(b, checksum(&id, b[from:], offset))
	return append(b, footerMagic...)
}

// parseFooter decodes the footer at an offset.
func parseFooter(b []byte, id vfs.Identity, offset int64) (s sections, err error) {
	switch {
	case string(b[40:]) != footerMagic:
		return s, corrupt(offset, "wrong magic number")
	case binary.BigEndian.Uint64(b[32:]) != checksum(&id, b[:32], offset):
		return s, corrupt(offset, "wrong checksum of the footer")
	}
	left := offset - headerBytes
	for i, size := range []*int64{&s.filter, &s.index, &s.ranges, &s.properties} {
		*size = int64(binary.BigEndian.Uint64(b[8*i:]))
		optional := size == &s.filter || size == &s.ranges
		if *size < trailerBytes && !(optional && *size == 0) || *size > left {
			return s, corrupt(offset, "impossible size of a section")
		}
		left -= *size
	}
	return s, nil
}
