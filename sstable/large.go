package sstable

import (
	"encoding/binary"
	"io"
)

// A large value is a sequence of chunks: size of the block that follows (4) | the block. All
// chunks but the last have maxChunkBytes before compression. The entry has a reference: offset
// of the first chunk, size of the value, size of all chunks in the file (8 each).
const (
	maxChunkBytes  = 256 << 10
	chunkHeadBytes = 4
	referenceBytes = 24
	// minChunkBytes is the minimum size of a chunk.
	minChunkBytes = chunkHeadBytes + 1 + trailerBytes
)

// appendReference appends the reference to a large value.
func appendReference(b []byte, offset, size, stored int64) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(offset))
	b = binary.BigEndian.AppendUint64(b, uint64(size))
	return binary.BigEndian.AppendUint64(b, uint64(stored))
}

// large is a large value in a file. It implements run.Large.
type large struct {
	table        *Table
	offset, size int64
	storedBytes  int64
}

// newLarge decodes a reference, and reports whether the file can have such a value.
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

// largeReader reads a value chunk by chunk, and returns only verified bytes.
type largeReader struct {
	table       *Table
	offset, end int64 // offset of the next chunk; end of the last chunk
	left        int64 // uncompressed bytes of chunks not read yet
	head        []byte
	stored, raw []byte
	rest        []byte // unread part of the current chunk
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

// next reads the next chunk, together with the head of the chunk after it.
func (r *largeReader) next() ([]byte, error) {
	if r.left == 0 {
		if r.offset != r.end {
			return nil, corrupt(r.offset, "extra bytes after a large value")
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
		return nil, corrupt(r.offset, "impossible size of a chunk")
	}
	rawBytes := min(r.left, maxChunkBytes)
	r.left -= rawBytes
	more := 0
	if r.left > 0 && size+chunkHeadBytes <= r.end-at {
		more = chunkHeadBytes
	} else if r.left > 0 {
		return nil, corrupt(r.offset, "a large value ends too early")
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
		return nil, corrupt(at, "wrong uncompressed size of a chunk")
	}
	if e.form == None {
		return e.stored, nil
	}
	r.raw = resized(r.raw, e.rawBytes)
	return r.raw, e.unpack(r.raw, at)
}
