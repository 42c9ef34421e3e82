package fuzz

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
)

// FuzzCheckpointMetadata decodes arbitrary bytes: unchanged, with a correct checksum, or as
// choices for a checkpoint that this file encodes by docs/format-checkpoint.md. Metadata that
// Decode accepts must be equal to its encoding by that page, byte for byte.
func FuzzCheckpointMetadata(f *testing.F) {
	const unchanged, fixChecksums, assemble = 0, 1, 2
	for _, name := range []string{"v1-full", "v1-empty", "v2-native", "v3-full", "v3-empty", "v3-native", "v4-packed"} {
		data, err := os.ReadFile("../checkpoint/testdata/" + name + ".metadata")
		require.NoError(f, err)
		seed(f, name, data, byte(unchanged))
		seed(f, name+" resealed", data, byte(fixChecksums))
	}
	for version := range byte(4) {
		head := metadataHead(version+1, &checkpoint.Checkpoint{Job: "j", ID: 1, Attempt: 1})
		seed(f, fmt.Sprint("huge count ", version+1), appendChecksum(append(head, "\xff\xff\xff\xff\xff\xff\xff\xff\x7f........"...)), byte(unchanged))
	}
	seed(f, "one table of many handles", writtenMetadata(3, crowdedCheckpoint()), byte(unchanged))
	seed(f, "one table many times", appendChecksum(append(metadataHead(3, &checkpoint.Checkpoint{Job: "j", ID: 1, Attempt: 1}),
		append([]byte{100}, make([]byte, 101)...)...)), byte(unchanged))
	seed(f, "huge count of packs", appendChecksum(append(metadataHead(4, &checkpoint.Checkpoint{Job: "j", ID: 1, Attempt: 1}),
		"\x00\xff\xff\xff\xff\xff\xff\xff\xff\x7f........"...)), byte(unchanged))
	for i := range uint64(16) {
		seed(f, fmt.Sprint("assembled random ", i), randomBytes(i, 200), byte(assemble))
	}
	f.Fuzz(func(t *testing.T, data []byte, how byte) {
		var want *checkpoint.Checkpoint
		switch how % 3 {
		case fixChecksums:
			data = metadataWithChecksum(data)
		case assemble:
			in := &input{data}
			version := byte(1 + in.choice(4))
			want = randomCheckpoint(in, version)
			data = writtenMetadata(version, want)
		}
		before := bytes.Clone(data)
		var c *checkpoint.Checkpoint
		var err error
		took := allocatedBytes(func() { c, err = checkpoint.Decode(data) })
		if limit := 4<<20 + 64*uint64(len(data)); took > limit {
			t.Fatalf("reading %d bytes allocates %d", len(data), took)
		}
		if err != nil {
			if !errors.Is(err, checkpoint.ErrCorrupt) && !errors.Is(err, checkpoint.ErrVersion) {
				t.Fatalf("%T %v", err, err)
			}
			return
		}
		if !bytes.Equal(writtenMetadata(data[9], c), data) || !bytes.Equal(before, data) {
			t.Fatal("the decoded metadata is encoded to other bytes")
		}
		if want != nil {
			require.Equal(t, want, c)
		}
		checkLookups(t, c)
	})
}

// checkLookups checks the properties of decoded metadata that other packages rely on.
func checkLookups(t *testing.T, c *checkpoint.Checkpoint) {
	if c.Bytes() < 0 {
		t.Fatalf("%d bytes", c.Bytes())
	}
	for _, o := range c.Operators {
		if found, ok := c.Operator(o.Name); !ok || len(found.Parts) != len(o.Parts) {
			t.Fatalf("operator %q is not found", o.Name)
		}
		for _, p := range o.Parts {
			if p.Handle == nil {
				continue
			}
			for _, f := range p.Handle.Files {
				content, inline := p.Inline[f.Name]
				if snapshot.CheckName(f.Name) != nil || inline && int64(len(content)) != f.Size {
					t.Fatalf("file %q of %d bytes, %d inline", f.Name, f.Size, len(content))
				}
				place, packed := p.Packed[f.Name]
				if packed && !slices.ContainsFunc(c.Packs, func(pack checkpoint.Pack) bool {
					return pack.Name == place.Pack && place.Offset >= 0 && place.Offset <= pack.Bytes-f.Size
				}) {
					t.Fatalf("file %q of %d bytes at %d of pack %q", f.Name, f.Size, place.Offset, place.Pack)
				}
			}
		}
	}
}

// metadataWithChecksum returns data with correct magic, version and checksum.
func metadataWithChecksum(data []byte) []byte {
	if len(data) < 12+8 {
		return data
	}
	version := 1 + (data[9]+3)%4 // keeps the version of a fixture
	return appendChecksum(slices.Concat([]byte("WEIRCHKP\x00"), []byte{version, 0, 0}, data[12:len(data)-8]))
}

func appendChecksum(b []byte) []byte { return binary.BigEndian.AppendUint64(b, xxhash.Sum64(b)) }

// metadataHead returns metadata up to the name tables.
func metadataHead(version byte, c *checkpoint.Checkpoint) []byte {
	b := metadataText(append([]byte("WEIRCHKP\x00"), version, 0, 0), c.Job)
	b = binary.BigEndian.AppendUint64(b, uint64(c.ID))
	b = binary.BigEndian.AppendUint64(b, uint64(c.Attempt))
	b = binary.BigEndian.AppendUint64(b, uint64(c.Triggered.Unix())^1<<63)
	return binary.BigEndian.AppendUint32(b, uint32(c.Triggered.Nanosecond()))
}

func metadataText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// writtenMetadata encodes c by the format page, also if c is invalid.
func writtenMetadata(version byte, c *checkpoint.Checkpoint) []byte {
	var tables, operators []byte
	numbers, packs := make(map[string]int), make(map[string]int)
	for i, pack := range c.Packs {
		packs[pack.Name] = i
	}
	for _, o := range c.Operators {
		operators = binary.AppendUvarint(metadataText(operators, o.Name), uint64(len(o.Parts)))
		for _, p := range o.Parts {
			var table []byte
			if p.Handle != nil {
				table = metadataTable(p.Handle.States)
			}
			if version >= 3 && p.Handle != nil {
				n, ok := numbers[string(table)]
				if !ok {
					n, tables = len(numbers), append(tables, table...)
					numbers[string(table)] = n
				}
				table = binary.AppendUvarint(nil, uint64(n))
			}
			operators = metadataPart(operators, p, table, packs)
		}
	}
	b := metadataHead(version, c)
	if version >= 3 {
		b = append(binary.AppendUvarint(b, uint64(len(numbers))), tables...)
	}
	if version >= 4 {
		b = binary.AppendUvarint(b, uint64(len(c.Packs)))
		for _, pack := range c.Packs {
			b = binary.BigEndian.AppendUint64(metadataText(b, pack.Name), uint64(pack.Bytes))
		}
	}
	return appendChecksum(append(binary.AppendUvarint(b, uint64(len(c.Operators))), operators...))
}

// metadataTable returns an encoded name table.
func metadataTable(states []backend.Info) []byte {
	b := binary.AppendUvarint(nil, uint64(len(states)))
	for _, s := range states {
		b = append(metadataText(b, s.Name), byte(s.Kind))
		b = append(metadataCodec(b, s.Key), 1)
		b = binary.AppendUvarint(b, uint64(len(s.Codecs)))
		for _, id := range s.Codecs {
			b = metadataCodec(b, id)
		}
	}
	return b
}

// metadataPart appends a part; table is a name table, or the number of a name table, and packs has
// the numbers of packs by name.
func metadataPart(b []byte, p checkpoint.Part, table []byte, packs map[string]int) []byte {
	if p.Handle == nil {
		return metadataText(append(b, 0), string(p.Data))
	}
	h := p.Handle
	if h.Format == "" {
		b = append(b, 1)
	} else {
		b = metadataText(append(b, 2), h.Format)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(h.Keyspace.MaxParallelism))
	b = metadataGroups(b, h.Keyspace.Groups)
	b = append(b, table...)
	b = binary.BigEndian.AppendUint64(b, uint64(h.Rows))
	b = binary.AppendUvarint(b, uint64(len(h.Files)))
	for _, f := range h.Files {
		b = append(metadataText(b, f.Name), f.Identity[:]...)
		b = binary.BigEndian.AppendUint64(b, uint64(f.Size))
		b = binary.BigEndian.AppendUint64(b, f.Checksum)
		b = metadataGroups(b, f.Bounds)
		content, inline := p.Inline[f.Name]
		place, packed := p.Packed[f.Name]
		switch {
		case inline:
			b = append(append(b, 0), content...)
		case packed:
			b = binary.AppendUvarint(append(b, 3), uint64(packs[place.Pack]))
			b = binary.BigEndian.AppendUint64(b, uint64(place.Offset))
		case f.Shared:
			b = append(b, 2)
		default:
			b = append(b, 1)
		}
	}
	return metadataText(b, string(p.Data))
}

func metadataGroups(b []byte, r state.GroupRange) []byte {
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, r.First), r.Last)
}

func metadataCodec(b []byte, id codec.ID) []byte {
	b = binary.AppendUvarint(metadataText(b, id.Name), uint64(id.Version))
	return metadataText(b, id.Schema)
}

// crowdedCheckpoint returns a checkpoint with a hundred handles that share one name table.
func crowdedCheckpoint() *checkpoint.Checkpoint {
	c := &checkpoint.Checkpoint{Job: "job", ID: 1, Attempt: 1, Triggered: time.Unix(0, 0).UTC()}
	states := []backend.Info{{Name: "timers", Kind: backend.KindTimers, Key: codec.ID{Name: "string", Version: 1, Schema: "a long one"}}}
	op := checkpoint.Operator{Name: "op"}
	for i := range 100 {
		space := state.SubtaskKeyspace(i, 100, 128)
		op.Parts = append(op.Parts, checkpoint.Part{Handle: &snapshot.Handle{Keyspace: space, States: states}})
	}
	c.Operators = []checkpoint.Operator{op}
	return c
}

// randomCheckpoint returns a checkpoint that is valid most of the time.
func randomCheckpoint(in *input, version byte) *checkpoint.Checkpoint {
	c := &checkpoint.Checkpoint{
		Job: "job", ID: checkpoint.ID(1 + in.byte()), Attempt: checkpoint.AttemptID(in.byte()),
		Triggered: time.Unix(int64(in.uint64()), int64(in.byte())).UTC(),
	}
	for i := range in.choice(4) {
		o := checkpoint.Operator{Name: fmt.Sprint("op", i)}
		for j := range in.choice(4) {
			p := randomPart(in, i, j)
			if version >= 2 && p.Handle != nil && in.choice(2) == 0 {
				p.Handle.Format, p.Handle.Rows = "lsm", 0
			}
			o.Parts = append(o.Parts, p)
		}
		c.Operators = append(c.Operators, o)
	}
	if version >= 4 {
		packFiles(in, c)
	}
	return c
}

// packFiles puts some files of c that are objects into a pack, and most of the time gives the pack
// the right size.
func packFiles(in *input, c *checkpoint.Checkpoint) {
	pack := checkpoint.Pack{Name: fmt.Sprintf("%d-pack%d", c.Attempt, in.byte()), Bytes: int64(in.choice(3))}
	for _, o := range c.Operators {
		for i, p := range o.Parts {
			if p.Handle == nil {
				continue
			}
			for _, f := range p.Handle.Files {
				if _, inline := p.Inline[f.Name]; inline || in.choice(3) == 0 {
					continue
				}
				if o.Parts[i].Packed == nil {
					o.Parts[i].Packed = make(map[string]checkpoint.Place)
				}
				o.Parts[i].Packed[f.Name] = checkpoint.Place{Pack: pack.Name, Offset: pack.Bytes}
				pack.Bytes += f.Size >> in.choice(2)
			}
		}
	}
	if pack.Bytes > 2 {
		c.Packs = []checkpoint.Pack{pack}
	}
}

func randomPart(in *input, operator, subtask int) (p checkpoint.Part) {
	if data := in.bytes(20); len(data) > 0 {
		p.Data = data
	}
	if in.choice(3) == 0 {
		return p
	}
	groups := state.GroupRange{First: uint16(16 * subtask), Last: uint16(16*subtask + in.choice(18))}
	p.Handle = &snapshot.Handle{
		Keyspace: state.Keyspace{MaxParallelism: 64, Groups: groups}, Rows: int64(in.uint64() >> in.choice(3)),
	}
	for range in.choice(3) {
		info := backend.Info{Name: in.string(), Kind: backend.Kind(in.choice(8)), Key: codec.ID{Name: in.string(), Version: uint32(in.byte())}}
		for range in.choice(3) {
			info.Codecs = append(info.Codecs, codec.ID{Name: in.string(), Schema: in.string()})
		}
		p.Handle.States = append(p.Handle.States, info)
	}
	for i := range in.choice(4) {
		f := snapshot.FileRef{
			Name: fmt.Sprintf("f%d-%d-%d", operator, subtask, in.choice(2)*4+i), Size: int64(in.uint64() >> in.choice(9)),
			Bounds: state.GroupRange{First: groups.First + uint16(in.choice(2)), Last: groups.Last},
		}
		copy(f.Identity[:], in.bytes(16))
		if in.choice(2) == 0 {
			if p.Inline == nil {
				p.Inline = make(map[string][]byte)
			}
			content := in.bytes(20)
			if f.Size = int64(len(content)); f.Size == 0 {
				content = nil
			}
			p.Inline[f.Name] = content
		}
		p.Handle.Files = append(p.Handle.Files, f)
	}
	return p
}
