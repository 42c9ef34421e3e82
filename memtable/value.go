package memtable

import (
	"io"
	"slices"

	"github.com/weirstate/weir/run"
)

// joinBytes is the largest size of a value in chunks that an iterator copies into one slice.
// Larger values are read as a stream.
const joinBytes = 64 << 10

// addTo adds a record to a lookup, the newest chunk of a value first. It reports whether the
// lookup is complete.
func (a *arena) addTo(r ref, l *run.Lookup) (last bool) {
	b := a.at(r)
	h := a.header(r)
	kind := h.kind()
	if !h.chunked() {
		from, n := headerBytes+h.keyBytes(), h.valueBytes()
		return l.Add(kind, run.Value{Bytes: b[from : from+n : from+n]})
	}
	for c := a.newestChunk(r, h); ; {
		older := a.older(c)
		if older == 0 {
			return l.Add(kind, run.Value{Bytes: a.chunkData(c)})
		}
		l.Add(run.Append, run.Value{Bytes: a.chunkData(c)})
		c = older
	}
}

// value returns the value of a record. It joins chunks in scratch.
func (a *arena) value(r ref, h header, scratch *[]byte) run.Value {
	if !h.kind().HasValue() {
		return run.Value{}
	}
	if !h.chunked() {
		from, n := headerBytes+h.keyBytes(), h.valueBytes()
		return run.Value{Bytes: a.at(r)[from : from+n : from+n]}
	}
	newest := a.newestChunk(r, h)
	if a.older(newest) == 0 {
		return run.Value{Bytes: a.chunkData(newest)}
	}
	size := int64(0)
	for c := newest; c != 0; c = a.older(c) {
		size += int64(len(a.chunkData(c)))
	}
	if size > joinBytes {
		return run.Value{Large: &chunkedValue{a, newest, size}}
	}
	b := slices.Grow((*scratch)[:0], int(size))[:size]
	*scratch = b
	for c := newest; c != 0; c = a.older(c) {
		b = b[:len(b)-copy(b[len(b)-len(a.chunkData(c)):], a.chunkData(c))]
	}
	return run.Value{Bytes: *scratch}
}

// chunkedValue is a value in chunks that is read as a stream. It is valid as long as the entry
// that it belongs to.
type chunkedValue struct {
	a      *arena
	newest ref
	size   int64
}

// Size implements run.Large.
func (l *chunkedValue) Size() int64 { return l.size }

// Reader implements run.Large.
func (l *chunkedValue) Reader() io.Reader {
	r := &chunkReader{a: l.a}
	for c := l.newest; c != 0; c = l.a.older(c) {
		r.chunks = append(r.chunks, c)
	}
	return r
}

// chunkReader reads a list of chunks from its end, where the oldest chunk is.
type chunkReader struct {
	a      *arena
	chunks []ref
	done   int // bytes read of the last chunk
}

// Read implements io.Reader.
func (r *chunkReader) Read(p []byte) (n int, err error) {
	for n < len(p) && len(r.chunks) > 0 {
		last := len(r.chunks) - 1
		b := r.a.chunkData(r.chunks[last])
		copied := copy(p[n:], b[r.done:])
		n, r.done = n+copied, r.done+copied
		if r.done == len(b) {
			r.chunks, r.done = r.chunks[:last], 0
		}
	}
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}
