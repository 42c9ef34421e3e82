package snapshot

import (
	"encoding/binary"
	"fmt"

	"github.com/weirstate/weir/state/backend"
)

// section is an entry of the index block: the blocks of one key group. A
// section ends where the next one begins, the last one at the index block. Key
// groups without rows have none.
type section struct {
	group    uint16
	offset   int64
	sequence uint32 // of its first block
	rows     int64
}

func appendIndex(dst []byte, sections []section) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(sections)))
	for _, s := range sections {
		dst = binary.BigEndian.AppendUint16(dst, s.group)
		dst = binary.BigEndian.AppendUint64(dst, uint64(s.offset))
		dst = binary.BigEndian.AppendUint32(dst, s.sequence)
		dst = binary.BigEndian.AppendUint64(dst, uint64(s.rows))
	}
	return dst
}

// parseIndex reads an index block. First is where the first section must
// begin, end where the last one must end: sections tile the file.
func parseIndex(b []byte, first, end section) ([]section, error) {
	p := parser{rest: b}
	var sections []section
	for n := p.count(backend.MaxKeyGroups); n > 0 && p.err == nil; n-- {
		sections = append(sections, section{p.uint16(), int64(p.uint64()), p.uint32(), int64(p.uint64())})
	}
	if err := p.end(); err != nil {
		return nil, err
	}
	for i, s := range append(sections, end) {
		if i == 0 {
			if s.offset != first.offset || s.sequence != first.sequence {
				return nil, fmt.Errorf("first section at byte %d, header ends at %d: %w", s.offset, first.offset, ErrCorrupt)
			}
			continue
		}
		if before := sections[i-1]; !before.endsAt(s) || i < len(sections) && before.group >= s.group {
			return nil, fmt.Errorf("section %d: %w", i-1, ErrCorrupt)
		}
	}
	return sections, nil
}

// endsAt says whether a section may end where the next one begins: it has
// blocks, and no more rows than they have room for.
func (s section) endsAt(next section) bool {
	blocks := int64(next.sequence) - int64(s.sequence)
	return s.offset < next.offset && blocks > 0 && s.rows > 0 && s.rows <= blocks*maxBlockBytes
}
