package checkpoint

import (
	"encoding/binary"
	"fmt"

	"github.com/cespare/xxhash/v2"
)

// openEnvelope checks the frame of a metadata object or an entry, which is the same in all
// versions, and returns the content and the version. The frame is: magic, version (2 bytes), two
// zero bytes, content, xxh64 of all bytes before it. The content shares b's memory.
//
// openEnvelope returns ErrCorrupt if the frame is damaged, and ErrVersion if the version is 0 or
// above newest. It checks the checksum before the version, so a damaged version is ErrCorrupt.
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
