package fuzz

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
)

// Sizes and kinds of the portable format; see docs/format-snapshot.md.
const (
	preambleBytes = 36
	frameBytes    = 24
	trailerBytes  = 28

	rowsKind, largeKind, continuedKind, indexKind = 2, 3, 4, 5
)

// withChecksums returns file with correct checksums of all blocks that it can find by their
// sizes.
func withChecksums(file []byte) []byte {
	if len(file) < preambleBytes+trailerBytes {
		return file
	}
	file = bytes.Clone(file)
	id := bytes.Clone(file[12:28])
	seal := func(at []byte, parts ...[]byte) {
		sum := xxhash.Sum64(append(bytes.Clone(id), bytes.Join(parts, nil)...))
		binary.BigEndian.PutUint64(at, sum)
	}
	seal(file[preambleBytes-8:], file[:preambleBytes-8])
	end := len(file) - trailerBytes
	for at := preambleBytes; at+frameBytes <= end; {
		stored := int64(binary.BigEndian.Uint32(file[at+8:]))
		if stored > int64(end-at-frameBytes) {
			break
		}
		next := at + frameBytes + int(stored)
		seal(file[at+frameBytes-8:], file[at:at+frameBytes-8], file[at+frameBytes:next])
		at = next
	}
	seal(file[len(file)-8:], file[end:len(file)-8])
	return file
}

// withIdentity returns file with identity id and correct checksums.
func withIdentity(file []byte, id string) []byte {
	file = bytes.Clone(file)
	copy(file[12:28], id)
	return withChecksums(file)
}

// assembled returns a file made from choices: the given header block, then sections of rows,
// most of them in order and of states that a job has. It may change one byte at the end.
func assembled(in *input, header []byte) []byte {
	file := append([]byte("WEIRSNAP\x00\x01\x00\x00made by the fuzz"), make([]byte, 8)...)
	file = append(file, header...)
	blocks, sections := uint32(1), 0
	var index []byte
	block := func(kind byte, group uint16, raw []byte) {
		file = append(file, kind, 0)
		file = binary.BigEndian.AppendUint16(file, group)
		file = binary.BigEndian.AppendUint32(file, uint32(len(raw)))
		file = binary.BigEndian.AppendUint32(file, uint32(len(raw)))
		file = binary.BigEndian.AppendUint32(file, blocks)
		file = append(append(file, make([]byte, 8)...), raw...)
		blocks++
	}
	for group := uint16(0); group < 8 && in.more(); group++ {
		if group += uint16(in.choice(3)); group > 7 {
			break
		}
		rows := randomRows(in, group)
		index = binary.BigEndian.AppendUint16(index, group)
		index = binary.BigEndian.AppendUint64(index, uint64(len(file)))
		index = binary.BigEndian.AppendUint32(index, blocks)
		index = binary.BigEndian.AppendUint64(index, uint64(len(rows)))
		sections++
		for _, row := range rows {
			if !row.large {
				raw := binary.AppendUvarint([]byte{0}, uint64(len(row.key)))
				raw = binary.AppendUvarint(raw, uint64(len(row.value)))
				block(rowsKind, group, slices.Concat(raw, row.key, row.value))
				continue
			}
			raw := binary.AppendUvarint(nil, uint64(len(row.key)))
			raw = binary.AppendUvarint(raw, uint64(len(row.value)))
			raw = slices.Concat(raw, row.key, row.value)
			block(largeKind, group, raw[:len(raw)/2])
			block(continuedKind, group, raw[len(raw)/2:])
		}
	}
	at := len(file)
	block(indexKind, 0, append(binary.AppendUvarint(nil, uint64(sections)), index...))
	file = binary.BigEndian.AppendUint64(file, uint64(at))
	file = binary.BigEndian.AppendUint32(file, blocks)
	file = append(append(file, "WEIRSNAP"...), make([]byte, 8)...)
	if in.more() {
		where := preambleBytes + len(header) + int(in.uint64()%uint64(len(file)-preambleBytes-len(header)))
		file[where] ^= in.byte()
	}
	return withChecksums(file)
}

type assembledRow struct {
	key, value []byte
	large      bool
}

// randomRows returns one or more rows of one key group.
func randomRows(in *input, group uint16) []assembledRow {
	var rows []assembledRow
	n := in.byte()
	for range 1 + n%4 {
		name := []string{"value", "list", "mapping", "sum", "joined", "timers", "stranger"}[in.choice(7)]
		key := backend.AppendHeader(nil, group, backend.IDOf(name))
		if name == "timers" {
			key = append(key, in.byte()%3)
			key = binary.BigEndian.AppendUint64(key, uint64(in.byte())<<56)
		}
		key = codec.AppendEscaped(key, in.bytes(9))
		key = codec.AppendEscaped(key, in.bytes(3))
		key = append(key, in.bytes(5)...)
		value := append([]byte{0}, in.bytes(20)...)
		if name == "timers" || in.choice(4) == 3 {
			value = value[1:]
		}
		rows = append(rows, assembledRow{key, value, n >= 0x80})
	}
	slices.SortFunc(rows, func(a, b assembledRow) int { return bytes.Compare(a.key, b.key) })
	return slices.CompactFunc(rows, func(a, b assembledRow) bool { return bytes.Equal(a.key, b.key) })
}
