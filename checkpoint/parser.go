package checkpoint

import (
	"encoding/binary"
	"fmt"

	"github.com/cespare/xxhash/v2"
)

// open checks what every version of metadata and entries begins and ends with,
// and returns what is between: magic, version, two zeros; xxh64 of all before.
// Newest is the version up to which this program knows them.
func open(b []byte, magic string, newest uint16) (rest []byte, version uint16, err error) {
	head := len(magic) + 2 + 2
	end := len(b) - checksumBytes
	switch {
	case end < head || string(b[:len(magic)]) != magic:
		return nil, 0, fmt.Errorf("%d bytes with another magic: %w", len(b), ErrCorrupt)
	case binary.BigEndian.Uint64(b[end:]) != xxhash.Sum64(b[:end]):
		return nil, 0, fmt.Errorf("checksum: %w", ErrCorrupt)
	}
	version = binary.BigEndian.Uint16(b[len(magic):])
	if version < 1 || version > newest {
		return nil, 0, fmt.Errorf("version %d, this program knows 1 to %d: %w", version, newest, ErrVersion)
	}
	if b[head-2] != 0 || b[head-1] != 0 {
		return nil, 0, fmt.Errorf("bytes that should be zero: %w", ErrCorrupt)
	}
	return b[head:end:end], version, nil
}
