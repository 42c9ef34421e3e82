package wal

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/stretchr/testify/require"
)

// builder writes logs according to docs/format-wal.md, independently of Writer. It does not
// enforce the rules of the format, so it can write any invalid log with correct checksums.
type builder struct {
	log      []byte
	identity string
}

func u16(n uint16) []byte { return binary.BigEndian.AppendUint16(nil, n) }
func u64(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func built(identity string, version, zero uint16) *builder {
	header := slices.Concat([]byte("WEIRWLOG"), u16(version), u16(zero), []byte(identity))
	return &builder{append(header, u64(xxhash.Sum64(header))...), identity}
}

// frame appends a frame and returns the position after it.
func (b *builder) frame(kind byte, synced int, payload []byte) int {
	front := slices.Concat([]byte(b.identity[:8]), u64(uint64(synced)), u64(xxhash.Sum64(payload)))
	n := len(payload)
	back := []byte{byte(n >> 16), byte(n >> 8), byte(n), kind}
	sum := xxhash.Sum64(slices.Concat(u64(uint64(len(b.log))), front, back))
	b.log = slices.Concat(b.log, front, u64(sum), back, payload)
	return len(b.log)
}

// mark appends a mark, end appends an end frame.
func (b *builder) mark() { b.frame('M', len(b.log), nil) }
func (b *builder) end()  { b.frame('E', len(b.log), nil) }

// sequence returns the payload of records.
func sequence(of ...[]byte) (payload []byte) {
	for _, r := range of {
		payload = append(binary.AppendUvarint(payload, uint64(len(r))), r...)
	}
	return payload
}

const someIdentity = "\x15dentity of 16 b"

func TestInvalidLogsWithCorrectChecksumsAreCorrupt(t *testing.T) {
	for name, nonsense := range map[string]func(b *builder){
		"size not in its shortest form": func(b *builder) { b.frame('D', 0, []byte{0x81, 0x00, 'r'}) },
		"size above the limit":          func(b *builder) { b.frame('D', 0, binary.AppendUvarint(nil, 1<<31)) },
		"size above all limits":         func(b *builder) { b.frame('D', 0, binary.AppendUvarint(nil, 1<<64-1)) },
		"unterminated size":             func(b *builder) { b.frame('D', 0, []byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")) },
		"size in two frames": func(b *builder) {
			b.frame('D', 0, []byte{0x80})
			b.frame('D', 0, []byte{0x01})
		},
		"end within a record": func(b *builder) {
			at := b.frame('D', 0, sequence(make([]byte, 10))[:5])
			b.frame('E', at, nil)
		},
		"mark within a record": func(b *builder) {
			b.frame('D', 0, sequence(make([]byte, 10))[:5])
			b.mark()
		},
		"data after the end": func(b *builder) {
			b.frame('E', 36, nil)
			b.frame('D', 36, sequence([]byte("r")))
		},
		"two ends": func(b *builder) {
			b.frame('E', 36, nil)
			b.frame('E', 72, nil)
		},
	} {
		b := built(someIdentity, 1, 0)
		nonsense(b)
		_, _, _, err := read(memOf(t, b.log))
		require.ErrorIs(t, err, ErrCorrupt, name)
	}
}

// The reader does not accept a frame that violates the limits of the format, even if its checksum is
// correct: the log ends before that frame.
func TestFramesOutsideTheLimitsEndTheLog(t *testing.T) {
	for name, frame := range map[string]func(b *builder){
		"empty data":                     func(b *builder) { b.frame('D', 36, nil) },
		"data that is too long":          func(b *builder) { b.frame('D', 36, make([]byte, 1<<20+1)) },
		"unknown kind":                   func(b *builder) { b.frame('C', 36, []byte{0}) },
		"end with a payload":             func(b *builder) { b.frame('E', len(b.log), []byte{0}) },
		"mark with a payload":            func(b *builder) { b.frame('M', len(b.log), []byte{0}) },
		"mark with another position":     func(b *builder) { b.frame('M', 36, nil) },
		"end with another position":      func(b *builder) { b.frame('E', 36, nil) },
		"synced beyond its own position": func(b *builder) { b.frame('D', len(b.log)+1, []byte{0}) },
	} {
		b := built(someIdentity, 1, 0)
		at := b.frame('D', 0, sequence([]byte("r")))
		frame(b)
		records, _, o, err := read(memOf(t, b.log))
		require.NoError(t, err, name)
		require.Len(t, records, 1)
		require.Equal(t, int64(at), o.Size)
		require.True(t, o.Torn)
	}
	b := built(someIdentity, 1, 0)
	b.frame('D', 0, sequence(make([]byte, 1<<20-3)))
	got, _, o, err := read(memOf(t, b.log))
	require.NoError(t, err)
	require.Len(t, got, 1)
	require.False(t, o.Torn)
}

func TestOtherVersionsAreErrVersion(t *testing.T) {
	for version, want := range map[uint16]error{0: ErrVersion, 2: ErrVersion, 0xffff: ErrVersion} {
		_, _, _, err := read(memOf(t, built(someIdentity, version, 0).log))
		require.ErrorIs(t, err, want)
		_, _, _, err = read(memOf(t, built(someIdentity, version, 7).log))
		require.ErrorIs(t, err, want)
	}
	_, _, _, err := read(memOf(t, built(someIdentity, 1, 1).log))
	require.ErrorIs(t, err, ErrCorrupt)
}

// A record's size alone must not make the reader allocate memory.
func TestSizeOfARecordAllocatesNoMemory(t *testing.T) {
	b := built(someIdentity, 1, 0)
	at := b.frame('D', 0, sequence([]byte("r")))
	b.frame('D', at, append(binary.AppendUvarint(nil, 1<<31-1), "the beginning"...))
	mem := memOf(t, b.log)
	before := allocatedBytes()
	got, _, o, err := read(mem)
	require.NoError(t, err)
	require.Less(t, allocatedBytes()-before, uint64(1<<20))
	require.Len(t, got, 1)
	require.Equal(t, Outcome{Identity: Identity([]byte(someIdentity)), Size: int64(at), Torn: true}, o)
}
