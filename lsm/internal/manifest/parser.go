package manifest

import (
	"fmt"
	"slices"

	"github.com/weirstate/weir/internal/parse"
	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/sstable"
)

// Parser reads what encode writes.
type Parser struct{ parse.Parser }

func NewParser(b []byte) Parser { return Parser{parse.Parser{Rest: b, Corrupt: sstable.ErrCorrupt}} }

func (p *Parser) level() int {
	level := p.Byte()
	if level >= version.NumLevels {
		p.Fail("level")
	}
	return int(level)
}

func (p *Parser) size() int64 { return int64(p.Uvarint(1<<63 - 1)) }

func (p *Parser) keyRange() (r run.Range) {
	r.From = slices.Clone(p.Bytes(maxBoundBytes))
	if n := p.Uvarint(maxBoundBytes + 1); n > 0 {
		r.To = append([]byte{}, p.Take(n-1)...)
	}
	return r
}

func (p *Parser) FileMeta() version.FileMeta {
	m := version.FileMeta{Number: p.Uvarint(MaxFileNumber), Run: p.Uvarint(MaxFileNumber)}
	copy(m.Identity[:], p.Take(16))
	m.Size, m.Entries, m.Tombstones = p.size(), p.size(), p.size()
	m.Bounds, m.Clip = p.keyRange(), p.keyRange()
	if p.Err == nil && (m.Number == 0 || m.Bounds.Empty()) {
		p.Fail("table without number or bounds")
	}
	return m
}

// Finish says what was wrong, if anything; bytes that are left are.
func (p *Parser) Finish(what string) error {
	if err := p.End(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
