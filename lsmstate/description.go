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

// description is the first file of a native snapshot: all that is not in tables of
// their own. Bytes: docs/format-tree-snapshot.md.
type description struct {
	identity snapshot.Identity
	appends  []slotCount
	tree     []byte // lsm.Tables.Describe; empty if there is no tree
	tables   []tablePlace
}

// tablePlace says where the file of a table is.
type tablePlace struct {
	number uint64
	file   int    // of the handle, 0 if the content is here
	packed []byte // that content
}

const (
	descriptionMagic   = "WEIRTREE"
	descriptionVersion = 1
	descriptionHead    = 8 + 2 + 2 + 16
	checksumBytes      = 8

	// maxDescriptionBytes limits a description: some hundred thousand tables.
	maxDescriptionBytes = 64 << 20

	// maxTables limits what a hostile one makes of it in memory.
	maxTables = 1 << 20
)

// encode writes a description.
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

// decodeDescription reads what encode has written. Contents are parts of b. It is
// snapshot.ErrCorrupt for everything else, or snapshot.ErrVersion if another version
// of this package may have written it.
func decodeDescription(b []byte) (*description, error) {
	end := len(b) - checksumBytes
	switch {
	case end < descriptionHead || len(b) > maxDescriptionBytes || string(b[:8]) != descriptionMagic:
		return nil, fmt.Errorf("%d bytes with another magic: %w", len(b), snapshot.ErrCorrupt)
	case binary.BigEndian.Uint64(b[end:]) != xxhash.Sum64(b[:end]):
		return nil, fmt.Errorf("checksum: %w", snapshot.ErrCorrupt)
	}
	if v := binary.BigEndian.Uint16(b[8:]); v != descriptionVersion {
		return nil, fmt.Errorf("description of version %d, this program knows %d: %w", v, descriptionVersion, snapshot.ErrVersion)
	}
	d := &description{identity: snapshot.Identity(b[12:descriptionHead])}
	p := parser{parse.Parser{Rest: b[descriptionHead:end], Corrupt: snapshot.ErrCorrupt}}
	if b[10] != 0 || b[11] != 0 {
		p.Fail("bytes that should be zero")
	}
	d.appends = p.counts()
	d.tree = p.Bytes(maxDescriptionBytes)
	n := p.Count(minPlaceBytes)
	if n > maxTables {
		p.Fail("more tables than allowed")
	}
	for ; n > 0 && p.Err == nil; n-- {
		d.tables = append(d.tables, p.place(d.tables))
	}
	return d, p.End()
}

// minPlaceBytes is the least that a tablePlace takes.
const minPlaceBytes = 2

// place is one that goes behind others.
func (p *parser) place(before []tablePlace) (t tablePlace) {
	t.number = p.Uvarint(math.MaxUint64)
	if n := len(before); n > 0 && before[n-1].number >= t.number {
		p.Fail("tables out of order")
	}
	if t.file = int(p.Uvarint(maxDescriptionBytes)); t.file == 0 {
		t.packed = p.Bytes(maxDescriptionBytes)
	}
	return t
}

// files compares the tables with those of the tree and the files of a handle, and
// returns the tree, nil if there is none, and its tables by number.
func (d *description) files(h snapshot.Handle) (*lsm.Description, map[uint64]tablePlace, error) {
	if len(d.tree) == 0 {
		if len(d.tables) > 0 || len(h.Files) > 1 {
			return nil, nil, fmt.Errorf("tables without a tree: %w", snapshot.ErrCorrupt)
		}
		return nil, nil, nil
	}
	tree, err := lsm.ParseDescription(d.tree)
	if err != nil {
		return nil, nil, ofDescription(err)
	}
	places := make(map[uint64]tablePlace, len(d.tables))
	for _, t := range d.tables {
		places[t.number] = t
	}
	used := make(map[int]bool)
	tables := tree.Tables(nil, nil)
	for _, t := range tables {
		place, ok := places[t.Number]
		if !ok {
			return nil, nil, fmt.Errorf("table %d is nowhere: %w", t.Number, snapshot.ErrCorrupt)
		}
		if err := place.check(t, h); err != nil {
			return nil, nil, fmt.Errorf("table %d: %w", t.Number, err)
		}
		used[place.file] = true
	}
	delete(used, 0)
	if len(places) != len(tables) || len(used) != len(h.Files)-1 {
		return nil, nil, fmt.Errorf("%d tables and %d files, of which %d and %d are used: %w",
			len(places), len(h.Files)-1, len(tables), len(used), snapshot.ErrCorrupt)
	}
	return tree, places, nil
}

// check compares a place with the table and its file.
func (t tablePlace) check(table lsm.TableFile, h snapshot.Handle) error {
	if !holdsBounds(h.Keyspace.Groups, table.From, table.To) {
		return fmt.Errorf("its bounds are not within key groups %v: %w", h.Keyspace.Groups, snapshot.ErrCorrupt)
	}
	if t.file == 0 {
		if int64(len(t.packed)) != table.Bytes {
			return fmt.Errorf("%d bytes, the tree says %d: %w", len(t.packed), table.Bytes, snapshot.ErrCorrupt)
		}
		return nil
	}
	if t.file >= len(h.Files) {
		return fmt.Errorf("file %d of %d: %w", t.file, len(h.Files), snapshot.ErrCorrupt)
	}
	if f := h.Files[t.file]; f.Identity != table.Identity || f.Size != table.Bytes {
		return fmt.Errorf("file %q has another identity or size than the tree says: %w", f.Name, snapshot.ErrMismatch)
	}
	return nil
}
