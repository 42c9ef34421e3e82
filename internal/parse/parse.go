// Package parse decodes the fields of binary formats from a slice: numbers, sizes and bytes. It
// knows no format. The caller chooses the error for malformed input.
package parse

import (
	"encoding/binary"
	"fmt"
)

// Parser decodes fields in sequence. After the first error, all reads return zero values, so a
// decoder can read all fields and check End once.
type Parser struct {
	// Rest is the input that has not been read.
	Rest []byte
	// Err is the first error, or nil.
	Err error
	// Corrupt is the error that errors of the parser wrap.
	Corrupt error
}

// Fail records an error with a text that wraps p.Corrupt, unless there is an error already.
func (p *Parser) Fail(text string) { p.FailWith(fmt.Errorf("%s: %w", text, p.Corrupt)) }

// FailWith records an error, unless there is one already.
func (p *Parser) FailWith(err error) {
	if p.Err == nil {
		p.Err = err
	}
	p.Rest = nil
}

// Take reads n bytes. The result shares memory with the input.
func (p *Parser) Take(n uint64) []byte {
	if n > uint64(len(p.Rest)) {
		p.Fail("a field is longer than the rest of the input")
		return nil
	}
	b := p.Rest[:n:n]
	p.Rest = p.Rest[n:]
	return b
}

// Byte reads one byte.
func (p *Parser) Byte() byte {
	if b := p.Take(1); b != nil {
		return b[0]
	}
	return 0
}

// Uint16 reads two bytes, big-endian.
func (p *Parser) Uint16() uint16 {
	if b := p.Take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

// Uint32 reads four bytes, big-endian.
func (p *Parser) Uint32() uint32 {
	if b := p.Take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// Uint64 reads eight bytes, big-endian.
func (p *Parser) Uint64() uint64 {
	if b := p.Take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// Uvarint reads a uvarint. It fails for a number above limit and for an encoding that is not the
// shortest one.
func (p *Parser) Uvarint(limit uint64) uint64 {
	v, n := binary.Uvarint(p.Rest)
	if n <= 0 || v > limit || n > 1 && p.Rest[n-1] == 0 {
		p.Fail("a uvarint is truncated, too large, or not in its shortest form")
		return 0
	}
	p.Rest = p.Rest[n:]
	return v
}

// Count reads the number of elements that follow. It fails if that many elements of at least
// minBytes each cannot be in the rest of the input, so that the caller may allocate by it.
func (p *Parser) Count(minBytes int) int { return int(p.Uvarint(uint64(len(p.Rest) / minBytes))) }

// Bytes reads a size as a uvarint, up to limit, and that many bytes. The result shares memory with
// the input.
func (p *Parser) Bytes(limit uint64) []byte { return p.Take(p.Uvarint(limit)) }

// End returns the first error, or an error if input is left.
func (p *Parser) End() error {
	if p.Err == nil && len(p.Rest) > 0 {
		p.Fail(fmt.Sprintf("%d bytes after the last field", len(p.Rest)))
	}
	return p.Err
}
