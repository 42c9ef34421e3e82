package checkpoint

import (
	"bytes"
	"encoding/binary"
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
)

// The functions in this file write entries and metadata from docs/format-checkpoint.md alone.
// They share no code with the writer and check no rules, so that tests can build invalid
// metadata with a correct checksum.

func u16(n uint16) []byte { return binary.BigEndian.AppendUint16(nil, n) }
func u32(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
func u64(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
func uv(n uint64) []byte  { return binary.AppendUvarint(nil, n) }
func txt(s string) []byte { return append(uv(uint64(len(s))), s...) }

// sealedBytes joins pieces and appends the checksum.
func sealedBytes(pieces ...[]byte) []byte {
	b := bytes.Join(pieces, nil)
	return append(b, u64(xxhash.Sum64(b))...)
}

// reseal replaces the checksum at the end by the correct one.
func reseal(b []byte) []byte { return sealedBytes(b[:len(b)-8]) }

func builtEntry(e Entry) []byte {
	return sealedBytes([]byte("WEIRDONE"), u16(1), u16(0), u64(uint64(e.ID)), u64(uint64(e.Attempt)), u64(uint64(e.Size)), u64(e.Checksum))
}

// builtHead returns metadata of version 1 up to the number of operators.
func builtHead(job string, id ID, attempt AttemptID, at time.Time) []byte {
	return builtHeadOf(1, job, id, attempt, at)
}

func builtHeadOf(version uint16, job string, id ID, attempt AttemptID, at time.Time) []byte {
	return slices.Concat([]byte("WEIRCHKP"), u16(version), u16(0), txt(job), u64(uint64(id)), u64(uint64(attempt)),
		u64(uint64(at.Unix())^1<<63), u32(uint32(at.Nanosecond())))
}

// built returns metadata of the newest version, builtAs of any version.
func built(c *Checkpoint) []byte {
	if len(c.Packs) > 0 {
		return builtAs(4, c)
	}
	return builtAs(3, c)
}

func builtAs(version uint16, c *Checkpoint) []byte {
	var tables, operators []byte
	numbers, packs := make(map[string]int), make(map[string]int)
	for i, pack := range c.Packs {
		packs[pack.Name] = i
	}
	for _, o := range c.Operators {
		operators = slices.Concat(operators, txt(o.Name), uv(uint64(len(o.Parts))))
		for _, p := range o.Parts {
			var table []byte
			if p.Handle != nil {
				table = builtTable(p.Handle.States)
			}
			if version >= 3 && p.Handle != nil {
				n, seen := numbers[string(table)]
				if !seen {
					n, tables = len(numbers), append(tables, table...)
					numbers[string(table)] = n
				}
				table = uv(uint64(n))
			}
			operators = append(operators, builtPart(p, table, packs)...)
		}
	}
	if version >= 3 {
		tables = append(uv(uint64(len(numbers))), tables...)
	}
	if version >= 4 {
		tables = append(tables, uv(uint64(len(c.Packs)))...)
		for _, pack := range c.Packs {
			tables = slices.Concat(tables, txt(pack.Name), u64(uint64(pack.Bytes)))
		}
	}
	return sealedBytes(builtHeadOf(version, c.Job, c.ID, c.Attempt, c.Triggered), tables, uv(uint64(len(c.Operators))), operators)
}

// builtPart returns a part with the given name table, or number of one; packs has the numbers of
// packs by name.
func builtPart(p Part, table []byte, packs map[string]int) []byte {
	data := append(uv(uint64(len(p.Data))), p.Data...)
	if p.Handle == nil {
		return append([]byte{0}, data...)
	}
	b := []byte{1}
	if p.Handle.Format != "" {
		b = append([]byte{2}, txt(p.Handle.Format)...)
	}
	b = append(b, builtHandleHead(p.Handle, table)...)
	b = append(b, uv(uint64(len(p.Handle.Files)))...)
	for _, f := range p.Handle.Files {
		place, packed := p.Packed[f.Name]
		if content, ok := p.Inline[f.Name]; ok {
			b = slices.Concat(b, builtFile(f), []byte{0}, content)
		} else if packed {
			b = slices.Concat(b, builtFile(f), []byte{3}, uv(uint64(packs[place.Pack])), u64(uint64(place.Offset)))
		} else {
			location := byte(1)
			if f.Shared {
				location = 2
			}
			b = append(append(b, builtFile(f)...), location)
		}
	}
	return append(b, data...)
}

// builtHandleHead returns a handle up to the number of files.
func builtHandleHead(h *snapshot.Handle, table []byte) []byte {
	return slices.Concat(u32(uint32(h.Keyspace.MaxParallelism)), builtGroups(h.Keyspace.Groups), table, u64(uint64(h.Rows)))
}

func builtTable(states []backend.Info) []byte {
	b := uv(uint64(len(states)))
	for _, s := range states {
		b = append(b, slices.Concat(txt(s.Name), []byte{byte(s.Kind)}, builtCodec(s.Key), []byte{1}, uv(uint64(len(s.Codecs))))...)
		for _, id := range s.Codecs {
			b = append(b, builtCodec(id)...)
		}
	}
	return b
}

func builtCodec(id codec.ID) []byte {
	return slices.Concat(txt(id.Name), uv(uint64(id.Version)), txt(id.Schema))
}

// builtFile returns a file up to its location.
func builtFile(f snapshot.FileRef) []byte {
	return slices.Concat(txt(f.Name), f.Identity[:], u64(uint64(f.Size)), u64(f.Checksum), builtGroups(f.Bounds))
}

func builtGroups(r backend.GroupRange) []byte { return append(u16(r.First), u16(r.Last)...) }

// builtPartSize returns the size of a part with its name table, if it is the only part.
func builtPartSize(p Part) int {
	if p.Handle == nil {
		return len(uv(0)) + len(builtPart(p, nil, nil))
	}
	return len(uv(1)) + len(builtTable(p.Handle.States)) + len(builtPart(p, uv(0), nil))
}
