package checkpoint

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
)

// Format of metadata: see docs/format-checkpoint.md. Version 4 is written for checkpoints with
// packs, and version 3 for others; versions 1 and 2 are only read.
const (
	metadataMagic = "WEIRCHKP"
	plainVersion  = 1 // no native handles
	nativeVersion = 2 // at least one native handle
	tablesVersion = 3 // each name table once; job data with watermarks and positions
	packsVersion  = 4 // at least one pack
	newestVersion = packsVersion

	// maxMetadataBytes limits a metadata object.
	maxMetadataBytes = 1 << 30
	// maxStructureBytes limits a metadata object without file contents and other data.
	// Decoded, structure takes up to ten times its size.
	maxStructureBytes = 10 << 20

	maxStates = 1 << 16 // as in a snapshot
	maxCodecs = 8
	schemas   = 1
)

// Forms of a part in metadata.
const (
	noHandle       = 0
	portableHandle = 1
	nativeHandle   = 2
)

// Locations of a file in metadata.
const (
	inMetadata = 0 // its content follows
	inFolder   = 1 // an object in the checkpoint's folder
	isShared   = 2 // an object in the folder of shared files
	inPack     = 3 // in a pack; the file is shared if the pack is
)

// encode returns the metadata of a checkpoint. It returns ErrInvalid or ErrTooLarge for a
// checkpoint that Decode would refuse.
func encode(c *Checkpoint) ([]byte, error) {
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	tables := tablesOf(c.parts())
	size, contentBytes := c.size(tables)
	if err := checkSize(size, contentBytes); err != nil {
		return nil, err
	}
	w := writer{out: make([]byte, 0, size), tables: tables, packs: c.packNumbers()}
	w.checkpoint(c)
	return binary.BigEndian.AppendUint64(w.out, xxhash.Sum64(w.out)), nil
}

// size returns the size of the encoded metadata in bytes, and how many of them are file
// contents and other data.
func (c *Checkpoint) size(tables *nameTables) (bytes, contentBytes int64) {
	w := writer{counting: true, tables: tables, packs: c.packNumbers()}
	w.checkpoint(c)
	return int64(len(w.out)) + w.contentBytes + checksumBytes, w.contentBytes
}

// checkSize returns ErrTooLarge if metadata of the given size exceeds a limit.
func checkSize(bytes, contentBytes int64) error {
	if bytes > maxMetadataBytes || bytes-contentBytes > maxStructureBytes {
		return fmt.Errorf("metadata has %d bytes, limit %d, and %d without contents, limit %d: %w",
			bytes, maxMetadataBytes, bytes-contentBytes, maxStructureBytes, ErrTooLarge)
	}
	return nil
}

// packNumbers returns the numbers of the packs in the metadata, by name.
func (c *Checkpoint) packNumbers() map[string]int {
	numbers := make(map[string]int)
	for i, pack := range c.Packs {
		numbers[pack.Name] = i
	}
	return numbers
}

// partSize returns the size in bytes of an encoded part without packed files, and its name table.
func partSize(p Part) int64 {
	w := writer{counting: true, tables: tablesOf(slices.Values([]Part{p}))}
	w.nameTables()
	w.part(p)
	return int64(len(w.out)) + w.contentBytes
}

// writer encodes metadata.
type writer struct {
	out    []byte
	tables *nameTables
	packs  map[string]int // numbers of packs by name
	// counting makes the writer add up the sizes of contents instead of appending them.
	counting     bool
	contentBytes int64
}

func (w *writer) checkpoint(c *Checkpoint) {
	w.out = append(w.out, metadataMagic...)
	if len(c.Packs) > 0 {
		w.uint16(packsVersion)
	} else {
		w.uint16(tablesVersion)
	}
	w.uint16(0)
	w.text(c.Job)
	w.uint64(uint64(c.ID))
	w.uint64(uint64(c.Attempt))
	w.out, _ = codec.Time().Append(w.out, c.Triggered) // every time has an encoding
	w.nameTables()
	if len(c.Packs) > 0 {
		w.packTable(c.Packs)
	}
	w.uvarint(uint64(len(c.Operators)))
	for _, operator := range c.Operators {
		w.text(operator.Name)
		w.uvarint(uint64(len(operator.Parts)))
		for _, part := range operator.Parts {
			w.part(part)
		}
	}
}

func (w *writer) nameTables() {
	w.uvarint(uint64(len(w.tables.encoded)))
	for _, table := range w.tables.encoded {
		w.out = append(w.out, table...)
	}
}

func (w *writer) packTable(packs []Pack) {
	w.uvarint(uint64(len(packs)))
	for _, pack := range packs {
		w.text(pack.Name)
		w.uint64(uint64(pack.Bytes))
	}
}

func (w *writer) part(p Part) {
	switch {
	case p.Handle == nil:
		w.byte(noHandle)
	case p.Handle.Format == "":
		w.byte(portableHandle)
		w.handle(p)
	default:
		w.byte(nativeHandle)
		w.text(p.Handle.Format)
		w.handle(p)
	}
	w.uvarint(uint64(len(p.Data)))
	w.content(p.Data)
}

func (w *writer) handle(p Part) {
	h := p.Handle
	w.uint32(uint32(h.Keyspace.MaxParallelism))
	w.groups(h.Keyspace.Groups)
	w.uvarint(uint64(w.tables.of[h]))
	w.uint64(uint64(h.Rows))
	w.uvarint(uint64(len(h.Files)))
	for _, f := range h.Files {
		w.file(f)
		content, inline := p.Inline[f.Name]
		place, packed := p.Packed[f.Name]
		switch {
		case inline:
			w.byte(inMetadata)
			w.content(content)
		case packed:
			w.byte(inPack)
			w.place(place)
		case f.Shared:
			w.byte(isShared)
		default:
			w.byte(inFolder)
		}
	}
}

func (w *writer) table(states []backend.Info) {
	w.uvarint(uint64(len(states)))
	for _, info := range states {
		w.state(info)
	}
}

func (w *writer) state(info backend.Info) {
	w.text(info.Name)
	w.byte(byte(info.Kind))
	w.codec(info.Key)
	w.uvarint(schemas)
	w.uvarint(uint64(len(info.Codecs)))
	for _, id := range info.Codecs {
		w.codec(id)
	}
}

func (w *writer) codec(id codec.ID) {
	w.text(id.Name)
	w.uvarint(uint64(id.Version))
	w.text(id.Schema)
}

func (w *writer) file(f snapshot.FileRef) {
	w.text(f.Name)
	w.out = append(w.out, f.Identity[:]...)
	w.uint64(uint64(f.Size))
	w.uint64(f.Checksum)
	w.groups(f.Bounds)
}

func (w *writer) place(p Place) {
	w.uvarint(uint64(w.packs[p.Pack]))
	w.uint64(uint64(p.Offset))
}

func (w *writer) groups(r backend.GroupRange) {
	w.uint16(r.First)
	w.uint16(r.Last)
}

// content appends bytes whose length has been written before.
func (w *writer) content(b []byte) {
	w.contentBytes += int64(len(b))
	if !w.counting {
		w.out = append(w.out, b...)
	}
}

func (w *writer) byte(b byte)      { w.out = append(w.out, b) }
func (w *writer) uint16(n uint16)  { w.out = binary.BigEndian.AppendUint16(w.out, n) }
func (w *writer) uint32(n uint32)  { w.out = binary.BigEndian.AppendUint32(w.out, n) }
func (w *writer) uint64(n uint64)  { w.out = binary.BigEndian.AppendUint64(w.out, n) }
func (w *writer) uvarint(n uint64) { w.out = binary.AppendUvarint(w.out, n) }
func (w *writer) text(s string)    { w.uvarint(uint64(len(s))); w.out = append(w.out, s...) }
