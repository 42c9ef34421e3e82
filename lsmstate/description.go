package lsmstate

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/cespare/xxhash/v2"

	"github.com/weirstate/weir/internal/parse"
	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/snapshot"
)

// description is the first file of a native snapshot. It has everything except the tables with files
// of their own. docs/format-tree-snapshot.md describes its format.
type description struct {
	identity snapshot.Identity
	appends  []appendCount
	tree     []byte // from lsm.Tables.Describe; empty if there is no tree
	tables   []tableLocation
}

// tableLocation is the place of a table's content in a snapshot: a file of the handle or, if file
// is 0, the description itself (packed).
type tableLocation struct {
	number uint64 // of the table in the description of the tree
	file   int    // index in Handle.Files
	packed []byte // the content of a packed table
}

const (
	descriptionMagic   = "WEIRTREE"
	descriptionVersion = 1
	descriptionHead    = 8 + 2 + 2 + 16
	checksumBytes      = 8

	// maxDescriptionBytes is the maximum size of a description. It is enough for several
	// 100,000 tables.
	maxDescriptionBytes = 64 << 20

	// maxTables limits the memory that a hostile description can claim.
	maxTables = 1 << 20
)

// encode returns the bytes of a description.
func (d *description) encode() ([]byte, error) {
	b := append([]byte{}, descriptionMagic...)
	b = binary.BigEndian.AppendUint16(b, descriptionVersion)
	b = append(b, 0, 0)
	b = append(b, d.identity[:]...)
	b = appendCounts(b, d.appends)
	b = binary.AppendUvarint(b, uint64(len(d.tree)))
	b = append(b, d.tree...)
	b = binary.AppendUvarint(b, uint64(len(d.tables)))
	for _, t := range d.tables {
		b = binary.AppendUvarint(b, t.number)
		b = binary.AppendUvarint(b, uint64(t.file))
		if t.file == 0 {
			b = binary.AppendUvarint(b, uint64(len(t.packed)))
			b = append(b, t.packed...)
		}
	}
	b = binary.BigEndian.AppendUint64(b, xxhash.Sum64(b))
	if len(b) > maxDescriptionBytes || len(d.tables) > maxTables {
		return nil, fmt.Errorf("description of %d tables takes %d bytes, limits %d and %d: %w",
			len(d.tables), len(b), maxTables, maxDescriptionBytes, ErrTooMany)
	}
	return b, nil
}

// decodeDescription decodes a description. Packed tables share memory with b. It returns
// snapshot.ErrVersion for another version of the format, and snapshot.ErrCorrupt for other invalid
// bytes.
func decodeDescription(b []byte) (*description, error) {
	end := len(b) - checksumBytes
	switch {
	case end < descriptionHead || len(b) > maxDescriptionBytes || string(b[:8]) != descriptionMagic:
		return nil, fmt.Errorf("%d bytes without the magic of a description: %w", len(b), snapshot.ErrCorrupt)
	case binary.BigEndian.Uint64(b[end:]) != xxhash.Sum64(b[:end]):
		return nil, fmt.Errorf("checksum of the description does not match: %w", snapshot.ErrCorrupt)
	}
	if v := binary.BigEndian.Uint16(b[8:]); v != descriptionVersion {
		return nil, fmt.Errorf("description has version %d, this program reads %d: %w", v, descriptionVersion, snapshot.ErrVersion)
	}
	d := &description{identity: snapshot.Identity(b[12:descriptionHead])}
	p := parser{parse.Parser{Rest: b[descriptionHead:end], Corrupt: snapshot.ErrCorrupt}}
	if b[10] != 0 || b[11] != 0 {
		p.Fail("reserved bytes that are not zero")
	}
	d.appends = p.counts()
	d.tree = p.Bytes(maxDescriptionBytes)
	n := p.Count(minLocationBytes)
	if n > maxTables {
		p.Fail("more tables than the limit")
	}
	for ; n > 0 && p.Err == nil; n-- {
		d.tables = append(d.tables, p.location(d.tables))
	}
	return d, p.End()
}

// minLocationBytes is the minimum encoded size of a tableLocation.
const minLocationBytes = 2

// location reads the location of a table. Its number must be above those of the tables before it.
func (p *parser) location(before []tableLocation) (t tableLocation) {
	t.number = p.Uvarint(math.MaxUint64)
	if n := len(before); n > 0 && before[n-1].number >= t.number {
		p.Fail("tables that are not in the order of numbers")
	}
	if t.file = int(p.Uvarint(maxDescriptionBytes)); t.file == 0 {
		t.packed = p.Bytes(maxDescriptionBytes)
	}
	return t
}

// files checks that tree, tables and the files of the handle fit together. It returns the tree and
// the locations of its tables by number, or nil if the snapshot has no tree.
func (d *description) files(h snapshot.Handle) (*lsm.Description, map[uint64]tableLocation, error) {
	if len(d.tree) == 0 {
		if len(d.tables) > 0 || len(h.Files) > 1 {
			return nil, nil, fmt.Errorf("%d tables and %d files, but no tree: %w", len(d.tables), len(h.Files)-1, snapshot.ErrCorrupt)
		}
		return nil, nil, nil
	}
	tree, err := lsm.ParseDescription(d.tree)
	if err != nil {
		return nil, nil, wrapDescriptionError(err)
	}
	locations := make(map[uint64]tableLocation, len(d.tables))
	for _, t := range d.tables {
		locations[t.number] = t
	}
	used := make(map[int]bool)
	tables := tree.Tables(nil, nil)
	for _, t := range tables {
		at, ok := locations[t.Number]
		if !ok {
			return nil, nil, fmt.Errorf("table %d is missing from the snapshot description: %w", t.Number, snapshot.ErrCorrupt)
		}
		if err := at.check(t, h); err != nil {
			return nil, nil, fmt.Errorf("table %d: %w", t.Number, err)
		}
		used[at.file] = true
	}
	delete(used, 0)
	if len(locations) != len(tables) || len(used) != len(h.Files)-1 {
		return nil, nil, fmt.Errorf("snapshot has %d tables and %d files of tables, but the tree uses %d and %d: %w",
			len(locations), len(h.Files)-1, len(tables), len(used), snapshot.ErrCorrupt)
	}
	return tree, locations, nil
}

// check returns an error unless the location fits the table of the tree and the file of the handle.
func (t tableLocation) check(table lsm.TableFile, h snapshot.Handle) error {
	if !boundsFit(h.Keyspace.Groups, table.From, table.To) {
		return fmt.Errorf("bounds of the table are not within key groups %v: %w", h.Keyspace.Groups, snapshot.ErrCorrupt)
	}
	if t.file == 0 {
		if int64(len(t.packed)) != table.Bytes {
			return fmt.Errorf("packed table has %d bytes, want %d: %w", len(t.packed), table.Bytes, snapshot.ErrCorrupt)
		}
		return nil
	}
	if t.file >= len(h.Files) {
		return fmt.Errorf("table is in file %d, but the handle has %d files: %w", t.file, len(h.Files), snapshot.ErrCorrupt)
	}
	if f := h.Files[t.file]; f.Identity != table.Identity || f.Size != table.Bytes {
		return fmt.Errorf("file %q has identity %v and %d bytes, want %v and %d: %w",
			f.Name, f.Identity, f.Size, table.Identity, table.Bytes, snapshot.ErrMismatch)
	}
	return nil
}
