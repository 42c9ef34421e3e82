package memtable

import "encoding/binary"

// A chunk is a part of a value that does not fit into its record:
//
//	the chunk before it, 0 if it has the beginning (8 B) | used (4 B) | capacity (4 B) | bytes
//
// Chunks double from one to the next, so that a value in pieces has few; up to
// maxBlockBytes, so that no more than that is idle.
const (
	chunkHeaderBytes = 16
	chunkUsed        = 8
	chunkCapacity    = 12
)

// newChunk makes an empty chunk with room for n bytes, at most MaxEntryBytes.
func (m *memory) newChunk(before ref, n int) ref {
	size := n + chunkHeaderBytes
	var c ref
	if size > maxBlockBytes {
		size = (size + 7) &^ 7
		c = m.alloc(size)
	} else {
		size = minBlockBytes << class(size)
		c = m.block(class(size))
	}
	b := m.at(c)
	binary.LittleEndian.PutUint64(b, uint64(before))
	binary.LittleEndian.PutUint32(b[chunkUsed:], 0)
	binary.LittleEndian.PutUint32(b[chunkCapacity:], uint32(size-chunkHeaderBytes))
	return c
}

// freeChunk takes a chunk back. Those of their own size wait for the table's end.
func (m *memory) freeChunk(c ref) {
	size := int(m.chunkCapacity(c)) + chunkHeaderBytes
	if size <= maxBlockBytes {
		m.freeBlock(c, class(size))
	}
}

func (m *memory) chunkCapacity(c ref) uint32 {
	return binary.LittleEndian.Uint32(m.at(c)[chunkCapacity:])
}

func (m *memory) setUsed(c ref, n int) {
	binary.LittleEndian.PutUint32(m.at(c)[chunkUsed:], uint32(n))
}

// before is the chunk with what stands before a chunk's bytes.
func (m *memory) before(c ref) ref { return ref(m.load(c)) }

// chunk returns the bytes of a chunk.
func (m *memory) chunk(c ref) []byte {
	b := m.at(c)
	n := binary.LittleEndian.Uint32(b[chunkUsed:])
	return b[chunkHeaderBytes : chunkHeaderBytes+n : chunkHeaderBytes+n]
}

// onlyNewest takes back the chunks before one, which is returned.
func (m *memory) onlyNewest(c ref) ref {
	for before := m.before(c); before != 0; {
		next := m.before(before)
		m.freeChunk(before)
		before = next
	}
	m.store(c, 0)
	return c
}

// refill returns a chunk with a value, or the last of several: the one that is
// given, if it is one and has room.
func (m *memory) refill(c ref, value []byte) ref {
	if c != 0 && len(value) <= int(m.chunkCapacity(c)) {
		m.setUsed(c, 0)
		return m.extend(c, value)
	}
	if c != 0 {
		m.freeChunk(c)
	}
	return m.extend(m.newChunk(0, min(len(value), int(MaxEntryBytes))), value)
}

// extend adds bytes to a chunk and, beyond its capacity, to new ones. It returns
// the newest.
func (m *memory) extend(c ref, value []byte) ref {
	for {
		b := m.at(c)
		used, capacity := binary.LittleEndian.Uint32(b[chunkUsed:]), binary.LittleEndian.Uint32(b[chunkCapacity:])
		n := copy(b[chunkHeaderBytes+used:chunkHeaderBytes+capacity], value)
		binary.LittleEndian.PutUint32(b[chunkUsed:], used+uint32(n))
		if value = value[n:]; len(value) == 0 {
			return c
		}
		next := min(2*(int(capacity)+chunkHeaderBytes), maxBlockBytes) - chunkHeaderBytes
		c = m.newChunk(c, min(max(next, len(value)), int(MaxEntryBytes)))
	}
}
