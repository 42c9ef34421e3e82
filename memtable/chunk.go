package memtable

import "encoding/binary"

// A chunk is a part of a value that does not fit into its record:
//
//	ref of the next older chunk, or 0 (8 B) | used bytes (4 B) | capacity (4 B) | bytes
//
// Append must take constant time, and a list of 100 MB must not be copied when it grows. So a
// value that outgrows its record becomes a chain of chunks, newest first:
//
//	record                          newest                      oldest
//	+--------+-----+-----+          +-------+---------+---+     +---+---------+
//	| header | key | ref |--------->| older | bytes   |   |---->| 0 | bytes   |
//	+--------+-----+-----+          +-------+---------+---+     +---+---------+
//	                                 capacity 2n      ^append     capacity n
//
// An append writes after the used bytes of the newest chunk; if it is full, the rest becomes a
// new chunk of twice the capacity, up to maxBlockBytes. So a value of n bytes has O(log n) chunks
// up to 64 KiB, n / 64 KiB chunks above, and at most 64 KiB unused. Get returns the chunks newest
// first, as package run expects them; an iterator joins them or reads them as a stream.
//
// Chunks up to maxBlockBytes are blocks of the arena and are reused. Larger ones hold a single
// large value; their memory is free only when the table is closed, but the next value of the same
// key uses it.
//
// Invariant: the chunks of a value, from the oldest to the newest, are the value.
// Invariant: a chunk that is not the newest is full.
const (
	chunkHeaderBytes = 16
	chunkUsed        = 8
	chunkCapacity    = 12
)

// newChunk returns an empty chunk with capacity for n bytes, at most MaxEntryBytes. Its next
// older chunk is older, which may be 0.
func (a *arena) newChunk(older ref, n int) ref {
	size := n + chunkHeaderBytes
	var c ref
	if size > maxBlockBytes {
		size = (size + 7) &^ 7
		c = a.alloc(size)
	} else {
		size = minBlockBytes << sizeClass(size)
		c = a.allocBlock(sizeClass(size))
	}
	b := a.at(c)
	binary.LittleEndian.PutUint64(b, uint64(older))
	binary.LittleEndian.PutUint32(b[chunkUsed:], 0)
	binary.LittleEndian.PutUint32(b[chunkCapacity:], uint32(size-chunkHeaderBytes))
	return c
}

// freeChunk makes the memory of a chunk available for other chunks and tree blocks. Memory of a
// chunk above maxBlockBytes stays unused until the table is closed.
func (a *arena) freeChunk(c ref) {
	size := int(a.chunkCapacity(c)) + chunkHeaderBytes
	if size <= maxBlockBytes {
		a.freeBlock(c, sizeClass(size))
	}
}

func (a *arena) chunkCapacity(c ref) uint32 {
	return binary.LittleEndian.Uint32(a.at(c)[chunkCapacity:])
}

func (a *arena) setChunkUsed(c ref, n int) {
	binary.LittleEndian.PutUint32(a.at(c)[chunkUsed:], uint32(n))
}

// older returns the next older chunk, whose bytes precede those of c, or 0.
func (a *arena) older(c ref) ref { return ref(a.load(c)) }

// chunkData returns the used bytes of a chunk.
func (a *arena) chunkData(c ref) []byte {
	b := a.at(c)
	n := binary.LittleEndian.Uint32(b[chunkUsed:])
	return b[chunkHeaderBytes : chunkHeaderBytes+n : chunkHeaderBytes+n]
}

// freeOlderChunks frees all chunks older than c, and returns c.
func (a *arena) freeOlderChunks(c ref) ref {
	for older := a.older(c); older != 0; {
		next := a.older(older)
		a.freeChunk(older)
		older = next
	}
	a.store(c, 0)
	return c
}

// setChunk returns the newest of one or several chunks with a value. It reuses c, which may be 0,
// if its capacity suffices, and frees it otherwise.
func (a *arena) setChunk(c ref, value []byte) ref {
	if c != 0 && len(value) <= int(a.chunkCapacity(c)) {
		a.setChunkUsed(c, 0)
		return a.appendToChunk(c, value)
	}
	if c != 0 {
		a.freeChunk(c)
	}
	return a.appendToChunk(a.newChunk(0, min(len(value), int(MaxEntryBytes))), value)
}

// appendToChunk appends to a chunk and, beyond its capacity, to new ones. It returns the newest.
func (a *arena) appendToChunk(c ref, value []byte) ref {
	for {
		b := a.at(c)
		used, capacity := binary.LittleEndian.Uint32(b[chunkUsed:]), binary.LittleEndian.Uint32(b[chunkCapacity:])
		n := copy(b[chunkHeaderBytes+used:chunkHeaderBytes+capacity], value)
		binary.LittleEndian.PutUint32(b[chunkUsed:], used+uint32(n))
		if value = value[n:]; len(value) == 0 {
			return c
		}
		next := min(2*(int(capacity)+chunkHeaderBytes), maxBlockBytes) - chunkHeaderBytes
		c = a.newChunk(c, min(max(next, len(value)), int(MaxEntryBytes)))
	}
}
