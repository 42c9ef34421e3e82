package sstable

import (
	"encoding/binary"
	"io"
)

// A large value is chunks, one after the other: size of the block that follows
// (4) | the block. All chunks but the last have maxChunkBytes, raw. The entry
// has a reference: offset, raw size, stored size of all (8 each).
const (
	maxChunkBytes  = 256 << 10
	chunkHeadBytes = 4
	referenceBytes = 24
	// minChunkBytes is the least that a chunk takes.
	minChunkBytes = chunkHeadBytes + 1 + trailerBytes
)

func appendReference(b []byte, offset, size, stored int64) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(offset))
	b = binary.BigEndian.AppendUint64(b, uint64(size))
	return binary.BigEndian.AppendUint64(b, uint64(stored))
}

// large is a value in a file. It implements run.Large.
type large struct {
	table        *Table
	offset, size int64
	storedBytes  int64
}

// newLarge reads a reference, and says whether there can be such a value.
func (t *Table) newLarge(reference []byte) (l *large, ok bool) {
	if len(reference) != referenceBytes {
		return nil, false
	}
	l = &large{t, int64(number(reference, 0)), int64(number(reference, 1)), int64(number(reference, 2))}
	if l.offset < headerBytes || l.offset > t.dataEnd || l.storedBytes < 0 || l.storedBytes > t.dataEnd-l.offset || l.size < 1 {
		return nil, false
	}
	chunks := (l.size-1)/maxChunkBytes + 1
	return l, chunks <= l.storedBytes/minChunkBytes
}

// Size implements run.Large.
func (l *large) Size() int64 { return l.size }

// Reader implements run.Large.
func (l *large) Reader() io.Reader {
	return &largeReader{table: l.table, offset: l.offset, end: l.offset + l.storedBytes, left: l.size}
}

// largeReader reads chunk by chunk, and hands out what was verified.
type largeReader struct {
	table       *Table
	offset, end int64 // of the next chunk; of the last
	left        int64 // bytes of chunks to come, raw
	head        []byte
	stored, raw []byte
	rest        []byte // of the current chunk
	err         error
}

// Read implements io.Reader.
func (r *largeReader) Read(p []byte) (n int, err error) {
	for len(r.rest) == 0 && r.err == nil {
		r.rest, r.err = r.next()
	}
	if len(r.rest) == 0 {
		return 0, r.err
	}
	n = copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// next reads a chunk, and the head of the one after it.
func (r *largeReader) next() ([]byte, error) {
	if r.left == 0 {
		if r.offset != r.end {
			return nil, corrupt(r.offset, "bytes after a large value")
		}
		return nil, io.EOF
	}
	if r.head == nil {
		r.head = make([]byte, chunkHeadBytes)
		if err := r.table.read(r.head, r.offset); err != nil {
			return nil, err
		}
	}
	size := int64(binary.BigEndian.Uint32(r.head))
	at := r.offset + chunkHeadBytes
	if size < trailerBytes || size > maxChunkBytes+trailerBytes || size > r.end-at {
		return nil, corrupt(r.offset, "size of a chunk")
	}
	rawBytes := min(r.left, maxChunkBytes)
	r.left -= rawBytes
	more := 0
	if r.left > 0 && size+chunkHeadBytes <= r.end-at {
		more = chunkHeadBytes
	} else if r.left > 0 {
		return nil, corrupt(r.offset, "a large value that is cut off")
	}
	r.stored = resized(r.stored, int(size)+more)
	if err := r.table.read(r.stored, at); err != nil {
		return nil, err
	}
	copy(r.head, r.stored[size:])
	r.offset = at + size
	e, err := unseal(r.stored[:size], &r.table.id, at)
	if err != nil {
		return nil, err
	}
	if int64(e.rawBytes) != rawBytes {
		return nil, corrupt(at, "raw size of a chunk")
	}
	if e.form == None {
		return e.stored, nil
	}
	r.raw = resized(r.raw, e.rawBytes)
	return r.raw, e.unpack(r.raw, at)
}
