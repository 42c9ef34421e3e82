package memtable

import (
	"encoding/binary"

	"github.com/weirstate/weir/run"
)

// A record is a key with what was done to it. It stays where it is as long as
// the table lives; everything else refers to it.
//
//	header (8 B) | key | value, or the place of its newest chunk (8 B), and room
//
// A record without a kind is that of a key that the table no longer has.

// header is the first word of a record:
//
//	key bytes (20 bits) | value bytes (20) | size of the record in 8 B (18) | kind (3) | outside (1)
//
// Value bytes count if the value is not outside, in chunks.
type header uint64

const (
	headerBytes    = 8
	lengthMask     = 1<<20 - 1
	valueShift     = 20
	unitsShift     = 40
	unitsMask      = 1<<18 - 1
	kindShift      = 58
	kindMask       = 7
	outsideBit     = 1 << 61
	unitBytes      = 8
	leastRoomBytes = 8 // for the place of a chunk
)

func (h header) keyBytes() int   { return int(h & lengthMask) }
func (h header) valueBytes() int { return int(h >> valueShift & lengthMask) }
func (h header) kind() run.Kind  { return run.Kind(h >> kindShift & kindMask) }
func (h header) outside() bool   { return h&outsideBit != 0 }

// capacity is how many bytes of value the record has room for.
func (h header) capacity() int {
	return int(h>>unitsShift&unitsMask)*unitBytes - headerBytes - h.keyBytes()
}

func (h header) withKind(k run.Kind) header {
	return h&^(kindMask<<kindShift) | header(k)<<kindShift
}

func (h header) withValueBytes(n int) header {
	return h&^(lengthMask<<valueShift) | header(n)<<valueShift
}

// newRecord makes a record with room for a value of n bytes.
func (m *memory) newRecord(key []byte, n int) ref {
	units := (headerBytes + len(key) + max(n, leastRoomBytes) + unitBytes - 1) / unitBytes
	r := m.alloc(units * unitBytes)
	b := m.at(r)
	binary.LittleEndian.PutUint64(b, uint64(len(key))|uint64(units)<<unitsShift)
	copy(b[headerBytes:], key)
	return r
}

func (m *memory) header(r ref) header { return header(m.load(r)) }

// key is that of a record.
func (m *memory) key(r ref) []byte {
	b := m.at(r)
	n := header(binary.LittleEndian.Uint64(b)).keyBytes()
	return b[headerBytes : headerBytes+n : headerBytes+n]
}

// newest is the newest chunk of a record whose value is outside.
func (m *memory) newest(r ref, h header) ref {
	return ref(m.load(r + headerBytes + ref(h.keyBytes())))
}

// put makes a value, with the kind, all that a record has. The value may be one
// that the table returned.
func (m *memory) put(r ref, h header, kind run.Kind, value []byte) {
	if !h.outside() && len(value) <= h.capacity() {
		b := m.at(r)
		copy(b[headerBytes+h.keyBytes():], value)
		binary.LittleEndian.PutUint64(b, uint64(h.withKind(kind).withValueBytes(len(value))))
		return
	}
	chunk := ref(0)
	if h.outside() {
		chunk = m.onlyNewest(m.newest(r, h))
	}
	chunk = m.refill(chunk, value)
	m.setOutside(r, h, kind, chunk)
}

// empty makes a record one of a kind that has no value. It keeps its place, or
// one chunk, for the next one.
func (m *memory) empty(r ref, h header, kind run.Kind) {
	if h.outside() {
		m.onlyNewest(m.newest(r, h))
	}
	m.store(r, uint64(h.withKind(kind).withValueBytes(0)))
}

// join adds to the value that a record has.
func (m *memory) join(r ref, h header, value []byte) {
	n := h.valueBytes()
	if h.outside() {
		m.setOutside(r, h, h.kind(), m.extend(m.newest(r, h), value))
		return
	}
	b := m.at(r)
	from := headerBytes + h.keyBytes()
	if n+len(value) <= h.capacity() {
		copy(b[from+n:], value)
		binary.LittleEndian.PutUint64(b, uint64(h.withValueBytes(n+len(value))))
		return
	}
	chunk := m.newChunk(0, min(n+len(value), int(MaxEntryBytes)))
	chunk = m.extend(chunk, b[from:from+n])
	m.setOutside(r, h, h.kind(), m.extend(chunk, value))
}

func (m *memory) setOutside(r ref, h header, kind run.Kind, chunk ref) {
	m.store(r+headerBytes+ref(h.keyBytes()), uint64(chunk))
	m.store(r, uint64(h.withKind(kind).withValueBytes(0)|outsideBit))
}
