package memtable

import (
	"encoding/binary"

	"github.com/weirstate/weir/run"
)

// A record is a key with the entry that its operations have resulted in. It never moves while
// the table exists, so directory, trees and sort items refer to it by its ref.
//
//	header (8 B) | key | value, or ref of its newest chunk (8 B) | unused bytes
//
// A value that outgrows the record moves to chunks. A record of kind 0 belongs to a key that the
// table no longer has, after DeletePrefix; the next write of the key uses it again.

// header is the first word of a record:
//
//	key bytes (20 bits) | value bytes (20) | size of the record in units of 8 B (18) | kind (3) | chunked (1)
//
// The number of value bytes is valid only if the value is in the record, not chunked.
type header uint64

const (
	headerBytes   = 8
	lengthMask    = 1<<20 - 1
	valueShift    = 20
	unitsShift    = 40
	unitsMask     = 1<<18 - 1
	kindShift     = 58
	kindMask      = 7
	chunkedBit    = 1 << 61
	unitBytes     = 8
	minValueBytes = 8 // the ref of a chunk must fit
)

func (h header) keyBytes() int   { return int(h & lengthMask) }
func (h header) valueBytes() int { return int(h >> valueShift & lengthMask) }
func (h header) kind() run.Kind  { return run.Kind(h >> kindShift & kindMask) }
func (h header) chunked() bool   { return h&chunkedBit != 0 }

// capacity returns the number of value bytes that fit into the record.
func (h header) capacity() int {
	return int(h>>unitsShift&unitsMask)*unitBytes - headerBytes - h.keyBytes()
}

func (h header) withKind(k run.Kind) header {
	return h&^(kindMask<<kindShift) | header(k)<<kindShift
}

func (h header) withValueBytes(n int) header {
	return h&^(lengthMask<<valueShift) | header(n)<<valueShift
}

// newRecord returns a new record of kind 0 with capacity for a value of n bytes.
func (a *arena) newRecord(key []byte, n int) ref {
	units := (headerBytes + len(key) + max(n, minValueBytes) + unitBytes - 1) / unitBytes
	r := a.alloc(units * unitBytes)
	b := a.at(r)
	binary.LittleEndian.PutUint64(b, uint64(len(key))|uint64(units)<<unitsShift)
	copy(b[headerBytes:], key)
	return r
}

func (a *arena) header(r ref) header { return header(a.load(r)) }

// key returns the key of a record.
func (a *arena) key(r ref) []byte {
	b := a.at(r)
	n := header(binary.LittleEndian.Uint64(b)).keyBytes()
	return b[headerBytes : headerBytes+n : headerBytes+n]
}

// newestChunk returns the newest chunk of a record whose value is chunked.
func (a *arena) newestChunk(r ref, h header) ref {
	return ref(a.load(r + headerBytes + ref(h.keyBytes())))
}

// setValue replaces kind and value of a record. The value may be one that the table returned.
func (a *arena) setValue(r ref, h header, kind run.Kind, value []byte) {
	if !h.chunked() && len(value) <= h.capacity() {
		b := a.at(r)
		copy(b[headerBytes+h.keyBytes():], value)
		binary.LittleEndian.PutUint64(b, uint64(h.withKind(kind).withValueBytes(len(value))))
		return
	}
	chunk := ref(0)
	if h.chunked() {
		chunk = a.freeOlderChunks(a.newestChunk(r, h))
	}
	chunk = a.setChunk(chunk, value)
	a.setChunked(r, h, kind, chunk)
}

// clearValue makes a record one of a kind without value. The record keeps its capacity, or one
// chunk, for the next value.
func (a *arena) clearValue(r ref, h header, kind run.Kind) {
	if h.chunked() {
		a.freeOlderChunks(a.newestChunk(r, h))
	}
	a.store(r, uint64(h.withKind(kind).withValueBytes(0)))
}

// appendValue appends to the value of a record.
func (a *arena) appendValue(r ref, h header, value []byte) {
	n := h.valueBytes()
	if h.chunked() {
		a.setChunked(r, h, h.kind(), a.appendToChunk(a.newestChunk(r, h), value))
		return
	}
	b := a.at(r)
	from := headerBytes + h.keyBytes()
	if n+len(value) <= h.capacity() {
		copy(b[from+n:], value)
		binary.LittleEndian.PutUint64(b, uint64(h.withValueBytes(n+len(value))))
		return
	}
	chunk := a.newChunk(0, min(n+len(value), int(MaxEntryBytes)))
	chunk = a.appendToChunk(chunk, b[from:from+n])
	a.setChunked(r, h, h.kind(), a.appendToChunk(chunk, value))
}

func (a *arena) setChunked(r ref, h header, kind run.Kind, chunk ref) {
	a.store(r+headerBytes+ref(h.keyBytes()), uint64(chunk))
	a.store(r, uint64(h.withKind(kind).withValueBytes(0)|chunkedBit))
}
