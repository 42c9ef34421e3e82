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

// parser reads numbers and texts off a slice; after the first error all reads
// are zero.
type parser struct {
	rest []byte
	err  error
}

func (p *parser) fail(what string) { p.failWith(fmt.Errorf("%s: %w", what, ErrCorrupt)) }

func (p *parser) failWith(err error) {
	if p.err == nil {
		p.err = err
	}
	p.rest = nil
}

// take is the next n bytes, not copied.
func (p *parser) take(n uint64) []byte {
	if n > uint64(len(p.rest)) {
		p.fail("a field ends after the whole")
		return nil
	}
	b := p.rest[:n:n]
	p.rest = p.rest[n:]
	return b
}

func (p *parser) byte() byte {
	if b := p.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (p *parser) uint16() uint16 {
	if b := p.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (p *parser) uint32() uint32 {
	if b := p.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (p *parser) uint64() uint64 {
	if b := p.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// uvarint is a number in the shortest form there is.
func (p *parser) uvarint() uint64 {
	v, n := binary.Uvarint(p.rest)
	if n <= 0 || n > 1 && p.rest[n-1] == 0 {
		p.fail("a number that is cut off or too long")
		return 0
	}
	p.rest = p.rest[n:]
	return v
}

// count is a number of things that take at least so many bytes each.
func (p *parser) count(minBytes int) int {
	n := p.uvarint()
	if n > uint64(len(p.rest)/minBytes) {
		p.fail("a count of more than there is")
		return 0
	}
	return int(n)
}

func (p *parser) text() string { return string(p.take(p.uvarint())) }

// end returns the first error, or one if bytes are left.
func (p *parser) end() error {
	if p.err == nil && len(p.rest) > 0 {
		return fmt.Errorf("%d bytes too many: %w", len(p.rest), ErrCorrupt)
	}
	return p.err
}
