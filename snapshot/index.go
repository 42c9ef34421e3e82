package snapshot

import (
	"encoding/binary"
	"fmt"

	"github.com/weirstate/weir/state/backend"
)

// section is an entry of the index block. It locates the blocks of one key group. A section
// ends where the next section begins, the last one where the index block begins. Key groups
// without rows have no section.
type section struct {
	group    uint16
	offset   int64  // of the first block
	sequence uint32 // of the first block
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

// parseIndex reads an index block. The first section must begin at first and the last one must
// end at end, without gaps between sections.
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
				return nil, fmt.Errorf("first section begins at byte %d, want %d, the end of the header: %w", s.offset, first.offset, ErrCorrupt)
			}
			continue
		}
		if previous := sections[i-1]; !previous.endsAt(s) || i < len(sections) && previous.group >= s.group {
			return nil, fmt.Errorf("index entry of section %d does not fit the next one: %w", i-1, ErrCorrupt)
		}
	}
	return sections, nil
}

// endsAt reports whether a section may end where the next one begins: the section has at least
// one block and one row, and not more rows than its blocks can hold.
func (s section) endsAt(next section) bool {
	blocks := int64(next.sequence) - int64(s.sequence)
	return s.offset < next.offset && blocks > 0 && s.rows > 0 && s.rows <= blocks*maxBlockBytes
}
