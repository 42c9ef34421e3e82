// Package parse reads the fields of the formats off a slice: numbers, sizes, bytes. It
// knows no format, and not whose errors it makes.
package parse

import (
	"encoding/binary"
	"fmt"
)

// Parser reads fields, one after the other. After the first error all reads are zero.
type Parser struct {
	Rest []byte // not read yet
	Err  error
	// Corrupt is what errors wrap.
	Corrupt error
}

// Fail notes that something is wrong.
func (p *Parser) Fail(what string) { p.FailWith(fmt.Errorf("%s: %w", what, p.Corrupt)) }

// FailWith notes an error, unless there was one before.
func (p *Parser) FailWith(err error) {
	if p.Err == nil {
		p.Err = err
	}
	p.Rest = nil
}

// Take is the next n bytes, not copied.
func (p *Parser) Take(n uint64) []byte {
	if n > uint64(len(p.Rest)) {
		p.Fail("a field ends after the whole")
		return nil
	}
	b := p.Rest[:n:n]
	p.Rest = p.Rest[n:]
	return b
}

// Byte is the next byte.
func (p *Parser) Byte() byte {
	if b := p.Take(1); b != nil {
		return b[0]
	}
	return 0
}

// Uint16 is the next two bytes, big-endian.
func (p *Parser) Uint16() uint16 {
	if b := p.Take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

// Uint32 is the next four bytes, big-endian.
func (p *Parser) Uint32() uint32 {
	if b := p.Take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// Uint64 is the next eight bytes, big-endian.
func (p *Parser) Uint64() uint64 {
	if b := p.Take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// Uvarint is a number up to a limit, in the shortest form there is.
func (p *Parser) Uvarint(limit uint64) uint64 {
	v, n := binary.Uvarint(p.Rest)
	if n <= 0 || v > limit || n > 1 && p.Rest[n-1] == 0 {
		p.Fail("a number that is cut off, too long or out of range")
		return 0
	}
	p.Rest = p.Rest[n:]
	return v
}

// Count is a number of things that take at least so many bytes each.
func (p *Parser) Count(minBytes int) int { return int(p.Uvarint(uint64(len(p.Rest) / minBytes))) }

// Bytes is a size up to a limit and so many bytes, not copied.
func (p *Parser) Bytes(limit uint64) []byte { return p.Take(p.Uvarint(limit)) }

// End returns the first error, or one if bytes are left.
func (p *Parser) End() error {
	if p.Err == nil && len(p.Rest) > 0 {
		p.Fail(fmt.Sprintf("%d bytes too many", len(p.Rest)))
	}
	return p.Err
}
