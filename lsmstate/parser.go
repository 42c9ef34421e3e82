package lsmstate

import (
	"encoding/binary"
	"fmt"

	"github.com/weirstate/weir/snapshot"
)

// parser reads numbers and bytes off a slice; after the first error all reads are
// zero.
type parser struct {
	rest []byte
	err  error
}

func (p *parser) fail(what string) {
	if p.err == nil {
		p.err = fmt.Errorf("%s: %w", what, snapshot.ErrCorrupt)
	}
	p.rest = nil
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

// bytes is a size and so many bytes, not copied; nil for none.
func (p *parser) bytes() []byte {
	n := p.count(1)
	if n == 0 {
		return nil
	}
	b := p.rest[:n:n]
	p.rest = p.rest[n:]
	return b
}

// end returns the first error, or one if bytes are left.
func (p *parser) end() error {
	if p.err == nil && len(p.rest) > 0 {
		return fmt.Errorf("%d bytes too many: %w", len(p.rest), snapshot.ErrCorrupt)
	}
	return p.err
}
