package manifest

import (
	"fmt"
	"slices"

	"github.com/weirstate/weir/internal/parse"
	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/sstable"
)

// Parser decodes the fields that Edit.Encode and AppendFileMeta write. After the first error all
// reads return zero values, so a decoder reads all fields and then calls Finish.
type Parser struct{ parse.Parser }

// NewParser returns a parser of b, whose errors wrap sstable.ErrCorrupt.
func NewParser(b []byte) Parser { return Parser{parse.Parser{Rest: b, Corrupt: sstable.ErrCorrupt}} }

// level reads the number of a level, and fails if it is not below version.NumLevels.
func (p *Parser) level() int {
	level := p.Byte()
	if level >= version.NumLevels {
		p.Fail("a level out of range")
	}
	return int(level)
}

// size reads a size in bytes, or a count of entries, up to the maximum of an int64.
func (p *Parser) size() int64 { return int64(p.Uvarint(1<<63 - 1)) }

// keyRange reads a range of keys, as appendRange writes it: the size of To is stored plus one, and
// 0 is a nil To, the end of all keys. The bounds are copies, which do not keep the input in memory.
func (p *Parser) keyRange() (r run.Range) {
	r.From = slices.Clone(p.Bytes(maxBoundBytes))
	if n := p.Uvarint(maxBoundBytes + 1); n > 0 {
		r.To = append([]byte{}, p.Take(n-1)...)
	}
	return r
}

// FileMeta reads the description of a table. It fails if the number is 0 or the bounds are empty.
func (p *Parser) FileMeta() version.FileMeta {
	m := version.FileMeta{Number: p.Uvarint(MaxFileNumber), Run: p.Uvarint(MaxFileNumber)}
	copy(m.Identity[:], p.Take(16))
	m.Size, m.Entries, m.Tombstones = p.size(), p.size(), p.size()
	m.Bounds, m.Clip = p.keyRange(), p.keyRange()
	if p.Err == nil && (m.Number == 0 || m.Bounds.Empty()) {
		p.Fail("a table has no number or no bounds")
	}
	return m
}

// Finish returns the first error, or an error if bytes are left after the last field. The error
// begins with what, the name of the decoded object.
func (p *Parser) Finish(what string) error {
	if err := p.End(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
