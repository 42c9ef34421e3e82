package lsm

import (
	"encoding/binary"
	"fmt"

	"github.com/weirstate/weir/internal/run"
	"github.com/weirstate/weir/lsm/internal/version"
)

// edit is a record of the manifest: one step from one tree to the next. Bytes:
// docs/format-manifest.md.
type edit struct {
	// identity, split and partitionBytes are those of the store. They come in
	// the first edit of a manifest, and only there.
	first          bool
	identity       [16]byte
	split          string
	partitionBytes int

	// flushed is the newest run that is in the tree, with all before it.
	flushed uint64
	// nextFile and nextRun are above all numbers that were given out.
	nextFile, nextRun uint64
	// firstLog is the oldest log that is still needed.
	firstLog uint64

	removed []place
	added   []placed
}

// place is a table in a level.
type place struct {
	level  int
	number uint64
}

type placed struct {
	level int
	meta  version.FileMeta
}

// editVersion is that of the encoding.
const editVersion = 1

const (
	maxSplitName  = 255
	maxBoundBytes = 4 << 10 // of one key in an edit; tables shorten theirs to less
)

func (e *edit) encode() []byte {
	b := []byte{editVersion, 0}
	if e.first {
		b[1] = 1
		b = append(b, e.identity[:]...)
		b = appendBytes(b, []byte(e.split))
		b = binary.AppendUvarint(b, uint64(e.partitionBytes))
	}
	for _, n := range []uint64{e.flushed, e.nextFile, e.nextRun, e.firstLog} {
		b = binary.AppendUvarint(b, n)
	}
	b = binary.AppendUvarint(b, uint64(len(e.removed)))
	for _, r := range e.removed {
		b = append(b, byte(r.level))
		b = binary.AppendUvarint(b, r.number)
	}
	b = binary.AppendUvarint(b, uint64(len(e.added)))
	for _, a := range e.added {
		b = append(b, byte(a.level))
		b = appendFileMeta(b, &a.meta)
	}
	return b
}

// appendFileMeta adds the description of a table, as the manifest and a log have it.
func appendFileMeta(b []byte, m *version.FileMeta) []byte {
	b = binary.AppendUvarint(b, m.Number)
	b = binary.AppendUvarint(b, m.Run)
	b = append(b, m.Identity[:]...)
	for _, n := range []int64{m.Size, m.Entries, m.Tombstones} {
		b = binary.AppendUvarint(b, uint64(n))
	}
	b = appendRange(b, m.Bounds)
	return appendRange(b, m.Clip)
}

func appendBytes(b, content []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(content)))
	return append(b, content...)
}

// appendRange writes the end as a size above the length by one, so that 0 is the
// end of all keys.
func appendRange(b []byte, r run.Range) []byte {
	b = appendBytes(b, r.From)
	if r.To == nil {
		return append(b, 0)
	}
	b = binary.AppendUvarint(b, uint64(len(r.To))+1)
	return append(b, r.To...)
}

// decodeEdit reads an edit. What is not as encode would write it is ErrCorrupt.
func decodeEdit(b []byte) (*edit, error) {
	p := parserOf(b)
	if v := p.Byte(); v != editVersion && p.Err == nil {
		return nil, fmt.Errorf("manifest edit of version %d, this program knows %d: %w", v, editVersion, ErrVersion)
	}
	e := &edit{}
	switch p.Byte() {
	case 0:
	case 1:
		e.first = true
		copy(e.identity[:], p.Take(16))
		e.split = string(p.Bytes(maxSplitName))
		e.partitionBytes = int(p.Uvarint(maxPartitionBytes))
	default:
		p.Fail("flag")
	}
	for _, n := range []*uint64{&e.flushed, &e.nextFile, &e.nextRun, &e.firstLog} {
		*n = p.Uvarint(maxFileNumber)
	}
	for range p.Count(2) {
		e.removed = append(e.removed, place{p.level(), p.Uvarint(maxFileNumber)})
	}
	for range p.Count(fileMetaBytes) {
		e.added = append(e.added, placed{p.level(), p.fileMeta()})
	}
	return e, p.end("manifest edit")
}

// fileMetaBytes is the least that one takes, with its level.
const fileMetaBytes = 1 + 2 + 16 + 3 + 2 + 2

// maxFileNumber is the highest that a name has room for.
const maxFileNumber = 9999999999999999999

// maxNextNumber leaves room for all numbers that a store can give out until it is
// opened again: 2^48 are 30,000 a second for 300 years.
const maxNextNumber = maxFileNumber - 1<<48
