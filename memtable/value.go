package memtable

import (
	"io"
	"slices"

	"github.com/weirstate/weir/run"
)

// joinBytes is up to which size a value in chunks is put together for a walk;
// from there on it is read as a stream.
const joinBytes = 64 << 10

// addTo adds what a record has to a lookup, the newest chunk first.
func (m *memory) addTo(r ref, f *run.Lookup) (last bool) {
	b := m.at(r)
	h := m.header(r)
	kind := h.kind()
	if !h.outside() {
		from, n := headerBytes+h.keyBytes(), h.valueBytes()
		return f.Add(kind, run.Value{Bytes: b[from : from+n : from+n]})
	}
	for c := m.newest(r, h); ; {
		before := m.before(c)
		if before == 0 {
			return f.Add(kind, run.Value{Bytes: m.chunk(c)})
		}
		f.Add(run.Append, run.Value{Bytes: m.chunk(c)})
		c = before
	}
}

// value is that of a record; scratch is for one in chunks.
func (m *memory) value(r ref, h header, scratch *[]byte) run.Value {
	if !h.kind().HasValue() {
		return run.Value{}
	}
	if !h.outside() {
		from, n := headerBytes+h.keyBytes(), h.valueBytes()
		return run.Value{Bytes: m.at(r)[from : from+n : from+n]}
	}
	newest := m.newest(r, h)
	if m.before(newest) == 0 {
		return run.Value{Bytes: m.chunk(newest)}
	}
	size := int64(0)
	for c := newest; c != 0; c = m.before(c) {
		size += int64(len(m.chunk(c)))
	}
	if size > joinBytes {
		return run.Value{Large: &large{m, newest, size}}
	}
	b := slices.Grow((*scratch)[:0], int(size))[:size]
	*scratch = b
	for c := newest; c != 0; c = m.before(c) {
		b = b[:len(b)-copy(b[len(b)-len(m.chunk(c)):], m.chunk(c))]
	}
	return run.Value{Bytes: *scratch}
}

// large is a value in chunks. It is as good as the entry that it belongs to.
type large struct {
	m      *memory
	newest ref
	size   int64
}

// Size implements run.Large.
func (l *large) Size() int64 { return l.size }

// Reader implements run.Large.
func (l *large) Reader() io.Reader {
	r := &chunkReader{m: l.m}
	for c := l.newest; c != 0; c = l.m.before(c) {
		r.chunks = append(r.chunks, c)
	}
	return r
}

// chunkReader reads chunks from the last to the first.
type chunkReader struct {
	m      *memory
	chunks []ref
	done   int // bytes of the last one
}

// Read implements io.Reader.
func (r *chunkReader) Read(p []byte) (n int, err error) {
	for n < len(p) && len(r.chunks) > 0 {
		last := len(r.chunks) - 1
		b := r.m.chunk(r.chunks[last])
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
