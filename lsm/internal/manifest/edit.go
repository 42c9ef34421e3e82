package manifest

import (
	"encoding/binary"
	"fmt"

	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/sstable"
	"github.com/weirstate/weir/vfs"
)

// Edit is a record of the manifest: one step from one tree to the next. Bytes:
// docs/format-manifest.md.
type Edit struct {
	// identity, split and PartitionBytes are those of the store. They come in
	// the first edit of a manifest, and only there.
	First          bool
	Identity       vfs.Identity
	Split          string
	PartitionBytes int

	// Flushed is the newest run that is in the tree, with all before it.
	Flushed uint64
	// NextFile and NextRun are above all numbers that were given out.
	NextFile, NextRun uint64
	// FirstLog is the oldest log that is still needed.
	FirstLog uint64

	Removed []Location
	Added   []LevelTable
}

// Location is a table in a level.
type Location struct {
	Level  int
	Number uint64
}

type LevelTable struct {
	Level int
	Meta  version.FileMeta
}

// EditVersion is that of the encoding.
const EditVersion = 1

const (
	maxSplitName = 255
	// MaxPartitionBytes is less than the bounds of files keep of a key.
	MaxPartitionBytes = 64
	maxBoundBytes     = 4 << 10 // of one key in an edit; tables shorten theirs to less
)

// FirstEdit returns the first edit of a manifest, with all tables of a tree. What the
// store is goes into it besides.
func FirstEdit(t *version.Tree) *Edit {
	e := &Edit{First: true}
	for level, files := range t.Levels {
		for _, f := range files {
			e.Added = append(e.Added, LevelTable{level, f.FileMeta})
		}
	}
	return e
}

// EditOf describes a change of a tree.
func EditOf(c *version.Change, before *version.Tree) *Edit {
	e := &Edit{}
	for level, files := range before.Levels {
		for _, f := range files {
			if c.Removed[f] {
				e.Removed = append(e.Removed, Location{level, f.Number})
			}
		}
	}
	for level, files := range c.Added {
		for _, f := range files {
			e.Added = append(e.Added, LevelTable{level, f.FileMeta})
		}
	}
	return e
}

func (e *Edit) Encode() []byte {
	b := []byte{EditVersion, 0}
	if e.First {
		b[1] = 1
		b = append(b, e.Identity[:]...)
		b = AppendBytes(b, []byte(e.Split))
		b = binary.AppendUvarint(b, uint64(e.PartitionBytes))
	}
	for _, n := range []uint64{e.Flushed, e.NextFile, e.NextRun, e.FirstLog} {
		b = binary.AppendUvarint(b, n)
	}
	b = binary.AppendUvarint(b, uint64(len(e.Removed)))
	for _, r := range e.Removed {
		b = append(b, byte(r.Level))
		b = binary.AppendUvarint(b, r.Number)
	}
	b = binary.AppendUvarint(b, uint64(len(e.Added)))
	for _, a := range e.Added {
		b = append(b, byte(a.Level))
		b = AppendFileMeta(b, &a.Meta)
	}
	return b
}

// AppendFileMeta adds the description of a table, as the manifest and a log have it.
func AppendFileMeta(b []byte, m *version.FileMeta) []byte {
	b = binary.AppendUvarint(b, m.Number)
	b = binary.AppendUvarint(b, m.Run)
	b = append(b, m.Identity[:]...)
	for _, n := range []int64{m.Size, m.Entries, m.Tombstones} {
		b = binary.AppendUvarint(b, uint64(n))
	}
	b = appendRange(b, m.Bounds)
	return appendRange(b, m.Clip)
}

func AppendBytes(b, content []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(content)))
	return append(b, content...)
}

// appendRange writes the end as a size above the length by one, so that 0 is the
// end of all keys.
func appendRange(b []byte, r run.Range) []byte {
	b = AppendBytes(b, r.From)
	if r.To == nil {
		return append(b, 0)
	}
	b = binary.AppendUvarint(b, uint64(len(r.To))+1)
	return append(b, r.To...)
}

// DecodeEdit reads an edit. Bytes that Encode would not have written are sstable.ErrCorrupt.
func DecodeEdit(b []byte) (*Edit, error) {
	p := NewParser(b)
	if v := p.Byte(); v != EditVersion && p.Err == nil {
		return nil, fmt.Errorf("manifest edit of version %d, this program knows %d: %w", v, EditVersion, sstable.ErrVersion)
	}
	e := &Edit{}
	switch p.Byte() {
	case 0:
	case 1:
		e.First = true
		copy(e.Identity[:], p.Take(16))
		e.Split = string(p.Bytes(maxSplitName))
		e.PartitionBytes = int(p.Uvarint(MaxPartitionBytes))
	default:
		p.Fail("flag")
	}
	for _, n := range []*uint64{&e.Flushed, &e.NextFile, &e.NextRun, &e.FirstLog} {
		*n = p.Uvarint(MaxFileNumber)
	}
	for range p.Count(2) {
		e.Removed = append(e.Removed, Location{p.level(), p.Uvarint(MaxFileNumber)})
	}
	for range p.Count(fileMetaBytes) {
		e.Added = append(e.Added, LevelTable{p.level(), p.FileMeta()})
	}
	return e, p.Finish("manifest edit")
}

// fileMetaBytes is the least that one takes, with its level.
const fileMetaBytes = 1 + 2 + 16 + 3 + 2 + 2

// MaxFileNumber is the highest that a name has room for.
const MaxFileNumber = 9999999999999999999

// MaxNextNumber leaves room for all numbers that a store can give out until it is
// opened again: 2^48 are 30,000 a second for 300 years.
const MaxNextNumber = MaxFileNumber - 1<<48
