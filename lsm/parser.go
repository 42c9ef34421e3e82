package lsm

import (
	"fmt"
	"slices"

	"github.com/weirstate/weir/internal/parse"
	"github.com/weirstate/weir/internal/run"
	"github.com/weirstate/weir/lsm/internal/version"
)

// parser reads what encode writes.
type parser struct{ parse.Parser }

func parserOf(b []byte) parser { return parser{parse.Parser{Rest: b, Corrupt: ErrCorrupt}} }

func (p *parser) level() int {
	level := p.Byte()
	if level >= version.NumLevels {
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

func (p *parser) fileMeta() version.FileMeta {
	m := version.FileMeta{Number: p.Uvarint(maxFileNumber), Run: p.Uvarint(maxFileNumber)}
	copy(m.Identity[:], p.Take(16))
	m.Size, m.Entries, m.Tombstones = p.size(), p.size(), p.size()
	m.Bounds, m.Clip = p.keyRange(), p.keyRange()
	if p.Err == nil && (m.Number == 0 || m.Bounds.Empty()) {
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
