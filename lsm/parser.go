package lsm

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/weirstate/weir/internal/run"
)

// parser reads what encode writes. After an error it gives zeros.
type parser struct {
	rest []byte
	err  error
}

func (p *parser) fail(what string) {
	if p.err == nil {
		p.err = fmt.Errorf("%s: %w", what, ErrCorrupt)
	}
	p.rest = nil
}

// take returns the next n bytes.
func (p *parser) take(n uint64) []byte {
	if n > uint64(len(p.rest)) {
		p.fail("it ends early")
		return nil
	}
	b := p.rest[:n:n]
	p.rest = p.rest[n:]
	return b
}

func (p *parser) byte() byte {
	if b := p.take(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

// uvarint reads one in its shortest form, up to a limit.
func (p *parser) uvarint(limit uint64) uint64 {
	n, size := binary.Uvarint(p.rest)
	if size <= 0 || n > limit || size > 1 && p.rest[size-1] == 0 {
		p.fail("a number is out of range")
		return 0
	}
	p.rest = p.rest[size:]
	return n
}

// count reads how many things follow that take so many bytes at least.
func (p *parser) count(bytes int) uint64 { return p.uvarint(uint64(len(p.rest) / bytes)) }

func (p *parser) bytes(limit uint64) []byte { return p.take(p.uvarint(limit)) }

func (p *parser) level() int {
	level := p.byte()
	if level >= numLevels {
		p.fail("level")
	}
	return int(level)
}

func (p *parser) size() int64 { return int64(p.uvarint(1<<63 - 1)) }

func (p *parser) keyRange() (r run.Range) {
	r.From = slices.Clone(p.bytes(maxBoundBytes))
	if n := p.uvarint(maxBoundBytes + 1); n > 0 {
		r.To = append([]byte{}, p.take(n-1)...)
	}
	return r
}

func (p *parser) fileMeta() fileMeta {
	m := fileMeta{number: p.uvarint(maxFileNumber), run: p.uvarint(maxFileNumber)}
	copy(m.identity[:], p.take(16))
	m.size, m.entries, m.tombstones = p.size(), p.size(), p.size()
	m.bounds, m.clip = p.keyRange(), p.keyRange()
	if p.err == nil && (m.number == 0 || m.bounds.Empty()) {
		p.fail("table without number or bounds")
	}
	return m
}

// end says what was wrong, if anything; bytes that are left are.
func (p *parser) end(what string) error {
	if p.err == nil && len(p.rest) > 0 {
		p.fail("bytes behind the end")
	}
	if p.err != nil {
		return fmt.Errorf("%s: %w", what, p.err)
	}
	return nil
}
