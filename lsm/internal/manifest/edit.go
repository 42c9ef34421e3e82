package manifest

import (
	"encoding/binary"
	"fmt"

	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/sstable"
	"github.com/weirstate/weir/vfs"
)

// Edit is a record of the manifest: one step from a tree to the next. The bytes are in
// docs/format-manifest.md.
type Edit struct {
	// First marks the first edit of a manifest. Only it has Identity, Split and
	// PartitionBytes, the fixed properties of the store.
	First          bool
	Identity       vfs.Identity // random number of the store
	Split          string       // name of the split function
	PartitionBytes int          // size of the part of a key that names its partition

	// Flushed is the newest run in the tree; all older runs are in the tree as well.
	Flushed uint64
	// NextFile and NextRun are larger than all file and run numbers assigned so far.
	NextFile, NextRun uint64
	// FirstLog is the number of the oldest log that is still needed.
	FirstLog uint64

	// Removed tables leave the tree before Added ones join it, so a table that moves to
	// another level is in both.
	Removed []Location
	// Added tables are new in the tree, or have moved or shrunk.
	Added []LevelTable
}

// Location is a table's place in the tree.
type Location struct {
	Level  int    // level of the tree
	Number uint64 // name of the table's file
}

// LevelTable is the description of a table and its level.
type LevelTable struct {
	Level int              // level of the tree
	Meta  version.FileMeta // description of the table
}

// EditVersion is the version of the encoding.
const EditVersion = 1

const (
	maxSplitName = 255
	// MaxPartitionBytes is below the size to which tables shorten their bounds, so a bound
	// always has the whole partition of its key.
	MaxPartitionBytes = 64
	maxBoundBytes     = 4 << 10 // limit for one bound in an edit; tables shorten their bounds to less
)

// FirstEdit returns the first edit of a manifest, with all tables of a tree. The caller adds
// the properties of the store.
func FirstEdit(t *version.Tree) *Edit {
	e := &Edit{First: true}
	for level, files := range t.Levels {
		for _, f := range files {
			e.Added = append(e.Added, LevelTable{level, f.FileMeta})
		}
	}
	return e
}

// EditOf returns the edit that describes a change of tree before.
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

// Encode returns the bytes of the edit.
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

// AppendFileMeta appends the description of a table, as manifests and logs contain it.
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

// AppendBytes appends the size of content and content.
func AppendBytes(b, content []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(content)))
	return append(b, content...)
}

// appendRange appends a range. The size of To is written plus one: 0 stands for nil, the end
// of all keys.
func appendRange(b []byte, r run.Range) []byte {
	b = AppendBytes(b, r.From)
	if r.To == nil {
		return append(b, 0)
	}
	b = binary.AppendUvarint(b, uint64(len(r.To))+1)
	return append(b, r.To...)
}

// DecodeEdit decodes an edit. Bytes that Encode would not produce are sstable.ErrCorrupt; an
// unknown version is sstable.ErrVersion.
func DecodeEdit(b []byte) (*Edit, error) {
	p := NewParser(b)
	if v := p.Byte(); v != EditVersion && p.Err == nil {
		return nil, fmt.Errorf("manifest edit has version %d, this program supports %d: %w", v, EditVersion, sstable.ErrVersion)
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
		p.Fail("the flag for the first edit is neither 0 nor 1")
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

// fileMetaBytes is the minimum size of a table's description, including its level.
const fileMetaBytes = 1 + 2 + 16 + 3 + 2 + 2

// MaxFileNumber is the largest number that fits into a file name (19 digits).
const MaxFileNumber = 9999999999999999999

// MaxNextNumber is the largest NextFile or NextRun that a store is opened with. It leaves room
// for 2^48 numbers until the next open: 30,000 a second for 300 years.
const MaxNextNumber = MaxFileNumber - 1<<48
