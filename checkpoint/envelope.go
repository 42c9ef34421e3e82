package checkpoint

import (
	"encoding/binary"
	"fmt"

	"github.com/cespare/xxhash/v2"
)

// openEnvelope checks the frame that metadata and entries of all versions have, and returns the
// bytes inside it and the version. The frame is: magic, version (2 bytes), two zero bytes,
// content, xxh64 of all bytes before it. It returns ErrVersion for a version above newest.
func openEnvelope(b []byte, magic string, newest uint16) (rest []byte, version uint16, err error) {
	head := len(magic) + 2 + 2
	end := len(b) - checksumBytes
	switch {
	case end < head || string(b[:len(magic)]) != magic:
		return nil, 0, fmt.Errorf("%d bytes that do not begin with %q: %w", len(b), magic, ErrCorrupt)
	case binary.BigEndian.Uint64(b[end:]) != xxhash.Sum64(b[:end]):
		return nil, 0, fmt.Errorf("checksum does not match: %w", ErrCorrupt)
	}
	version = binary.BigEndian.Uint16(b[len(magic):])
	if version < 1 || version > newest {
		return nil, 0, fmt.Errorf("version %d, want 1 to %d: %w", version, newest, ErrVersion)
	}
	if b[head-2] != 0 || b[head-1] != 0 {
		return nil, 0, fmt.Errorf("reserved bytes are not zero: %w", ErrCorrupt)
	}
	return b[head:end:end], version, nil
}
