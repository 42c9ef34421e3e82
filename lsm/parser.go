package lsm

import (
	"fmt"
	"slices"

	"github.com/weirstate/weir/internal/parse"
	"github.com/weirstate/weir/internal/run"
)

// parser reads what encode writes.
type parser struct{ parse.Parser }

func parserOf(b []byte) parser { return parser{parse.Parser{Rest: b, Corrupt: ErrCorrupt}} }

func (p *parser) level() int {
	level := p.Byte()
	if level >= numLevels {
		p.Fail("level")
	}
	return int(level)
}

func (p *parser) size() int64 { return int64(p.Uvarint(1<<63 - 1)) }

func (p *parser) keyRange() (r run.Range) {
	r.From = slices.Clone(p.Bytes(maxBoundBytes))
	if n := p.Uvarint(maxBoundBytes + 1); n > 0 {
		r.To = append([]byte{}, p.Take(n-1)...)
	}
	return r
}

func (p *parser) fileMeta() fileMeta {
	m := fileMeta{number: p.Uvarint(maxFileNumber), run: p.Uvarint(maxFileNumber)}
	copy(m.identity[:], p.Take(16))
	m.size, m.entries, m.tombstones = p.size(), p.size(), p.size()
	m.bounds, m.clip = p.keyRange(), p.keyRange()
	if p.Err == nil && (m.number == 0 || m.bounds.Empty()) {
		p.Fail("table without number or bounds")
	}
	return m
}

// end says what was wrong, if anything; bytes that are left are.
func (p *parser) end(what string) error {
	if err := p.End(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
