package checkpoint

import (
	"fmt"
	"math"
	"slices"

	"github.com/weirstate/weir/internal/parse"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
)

// Decode decodes the metadata of a checkpoint, the whole content of an object "_metadata". It
// accepts exactly the bytes that coordinators of this and earlier versions write. Otherwise it
// returns ErrCorrupt, or ErrVersion if a later version of Weir may have written them. The
// result refers to data: Part.Data and Part.Inline are slices of it.
func Decode(data []byte) (*Checkpoint, error) {
	if len(data) > maxMetadataBytes {
		return nil, fmt.Errorf("metadata: %d bytes, want at most %d: %w", len(data), maxMetadataBytes, ErrCorrupt)
	}
	rest, version, err := openEnvelope(data, metadataMagic, newestVersion)
	if err != nil {
		return nil, fmt.Errorf("metadata: %w", err)
	}
	d := decoder{Parser: parse.Parser{Rest: rest, Corrupt: ErrCorrupt}, bytes: int64(len(data)), version: version}
	c := d.checkpoint()
	switch {
	case version == nativeVersion && !d.native:
		d.Fail("version 2 without a native handle")
	case version == packsVersion && len(d.packs) == 0:
		d.Fail("version 4 without a pack")
	case d.tablesUsed < len(d.tables):
		d.Fail("a name table that no handle refers to")
	}
	if err := d.End(); err != nil {
		return nil, fmt.Errorf("metadata: %w", err)
	}
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("metadata: %w: %w", ErrCorrupt, err)
	}
	return c, nil
}

// decoder decodes metadata.
type decoder struct {
	parse.Parser
	bytes        int64 // size of the whole metadata
	contentBytes int64 // bytes of file contents and other data decoded so far
	parts        int   // number of parts decoded so far
	version      uint16
	native       bool             // a native handle was decoded
	tables       [][]backend.Info // all name tables; handles share them
	tablesUsed   int              // handles decoded so far refer to the first tablesUsed tables
	packs        []Pack
}

// Minimum encoded sizes in bytes. A count is accepted only if enough bytes are left for
// that many elements of minimum size, before memory is allocated for them. An element takes
// approximately ten times its encoded size in memory.
const (
	minPartBytes     = 1 + 1
	minOperatorBytes = 1 + 1 + 1 + minPartBytes
	minCodecBytes    = 1 + 1 + 1
	minStateBytes    = 1 + 1 + 1 + minCodecBytes + 1 + 1
	minFileBytes     = 1 + 1 + 16 + 8 + 8 + 4 + 1
	minPackBytes     = 1 + 1 + 8
)

// count decodes the number of elements of a list that is structure, not content. It is stricter
// than Parser.Count, since the remaining bytes may be content.
func (d *decoder) count(minBytes int) int {
	n := d.Parser.Count(minBytes)
	if n > maxStructureBytes/minBytes {
		d.Fail("a count above the limit for structure")
		return 0
	}
	return n
}

func (d *decoder) text() string { return string(d.Bytes(math.MaxUint64)) }

func (d *decoder) checkpoint() *Checkpoint {
	c := &Checkpoint{Job: d.text(), ID: ID(d.Uint64()), Attempt: AttemptID(d.Uint64())}
	var err error
	if c.Triggered, err = codec.Time().Decode(d.Take(12)); err != nil {
		d.Fail("an invalid time")
	}
	d.nameTables()
	d.packTable()
	c.Packs = d.packs
	n := d.count(minOperatorBytes)
	c.Operators = slices.Grow(c.Operators, n)
	for ; n > 0 && d.Err == nil; n-- {
		c.Operators = append(c.Operators, d.operator())
	}
	return c
}

// packTable decodes the packs of the metadata.
func (d *decoder) packTable() {
	if d.version < packsVersion {
		return
	}
	n := d.count(minPackBytes)
	d.packs = slices.Grow(d.packs, n)
	for ; n > 0 && d.Err == nil; n-- {
		d.packs = append(d.packs, Pack{Name: d.text(), Bytes: int64(d.Uint64())})
	}
	d.checkStructure()
}

func (d *decoder) operator() Operator {
	o := Operator{Name: d.text()}
	n := d.count(minPartBytes)
	if d.parts += n; n == 0 || d.parts > maxParts {
		d.Fail("an operator without parts, or too many parts")
		return o
	}
	o.Parts = slices.Grow(o.Parts, n)
	for ; n > 0 && d.Err == nil; n-- {
		o.Parts = append(o.Parts, d.part())
	}
	return o
}

func (d *decoder) part() (p Part) {
	switch form := d.Byte(); {
	case form == noHandle:
	case form == portableHandle:
		d.handle(&p, "")
	case form == nativeHandle && d.version >= nativeVersion:
		name := d.text()
		if name == "" {
			d.Fail("a native form with an empty name")
		}
		d.native = true
		d.handle(&p, name)
	default:
		d.Fail("a part with an unknown form")
	}
	p.Data = d.content(d.Uvarint(math.MaxUint64))
	d.checkStructure()
	return p
}

// checkStructure fails if the bytes decoded so far, without contents, exceed the limit.
func (d *decoder) checkStructure() {
	structure := d.bytes - d.contentBytes - int64(len(d.Rest))
	if d.Err == nil && structure > maxStructureBytes {
		d.Fail("structure above its limit")
	}
}

func (d *decoder) handle(p *Part, form string) {
	h := &snapshot.Handle{Format: form}
	p.Handle = h
	h.Keyspace.MaxParallelism = int(d.Uint32())
	h.Keyspace.Groups = d.groups()
	h.States = d.handleTable()
	h.Rows = int64(d.Uint64())
	n := d.count(minFileBytes)
	h.Files = slices.Grow(h.Files, n)
	for ; n > 0 && d.Err == nil; n-- {
		f := d.file()
		location := d.Byte()
		f.Shared = location == isShared
		switch {
		case location == inMetadata:
			if p.Inline == nil {
				p.Inline = make(map[string][]byte)
			}
			p.Inline[f.Name] = d.content(uint64(f.Size)) // a negative size becomes too large
		case location == inFolder:
		case location == inPack && d.version >= packsVersion:
			if p.Packed == nil {
				p.Packed = make(map[string]Place)
			}
			place := d.place()
			by, _ := parsePackName(place.Pack) // fileList.checkPacks checks the name
			f.Shared = by.shared
			p.Packed[f.Name] = place
		case location == isShared:
		default:
			d.Fail("a file with an unknown location")
		}
		if f.Shared && form == "" {
			d.FailWith(fmt.Errorf("shared file in the portable format: %w", ErrVersion))
		}
		h.Files = append(h.Files, f)
	}
}

// place decodes the place of a packed file.
func (d *decoder) place() (p Place) {
	n := d.Uvarint(maxStructureBytes)
	p.Offset = int64(d.Uint64())
	switch {
	case d.Err != nil:
	case n >= uint64(len(d.packs)):
		d.Fail(fmt.Sprintf("pack %d of %d", n, len(d.packs)))
	default:
		p.Pack = d.packs[n].Name
	}
	return p
}

func (d *decoder) state() backend.Info {
	info := backend.Info{Name: d.text(), Kind: backend.Kind(d.Byte()), Key: d.codec()}
	if d.Uvarint(math.MaxUint64) != schemas && d.Err == nil {
		d.FailWith(fmt.Errorf("state with more than one schema: %w", ErrVersion))
	}
	n := d.count(minCodecBytes)
	if n > maxCodecs {
		d.Fail("too many codecs")
		return info
	}
	info.Codecs = slices.Grow(info.Codecs, n)
	for ; n > 0 && d.Err == nil; n-- {
		info.Codecs = append(info.Codecs, d.codec())
	}
	return info
}

func (d *decoder) codec() codec.ID {
	id := codec.ID{Name: d.text()}
	id.Version, id.Schema = uint32(d.Uvarint(math.MaxUint32)), d.text()
	return id
}

func (d *decoder) file() (f snapshot.FileRef) {
	f.Name = d.text()
	copy(f.Identity[:], d.Take(uint64(len(f.Identity))))
	f.Size = int64(d.Uint64())
	f.Checksum = d.Uint64()
	f.Bounds = d.groups()
	return f
}

func (d *decoder) groups() backend.GroupRange {
	return backend.GroupRange{First: d.Uint16(), Last: d.Uint16()}
}

// content returns the next n bytes, nil if n is 0.
func (d *decoder) content(n uint64) []byte {
	b := d.Take(n)
	d.contentBytes += int64(len(b))
	if len(b) == 0 {
		return nil
	}
	return b
}
