package run

import (
	"io"
	"slices"
)

// Finding gathers what runs say of one key, asked from the newest to the oldest,
// until one has the last word. It is used again and again to keep its memory.
//
// Thread safety: one goroutine.
type Finding struct {
	exists bool
	size   int64
	pieces []Value // newest first
	copies []byte  // what had to be copied
}

// Reset makes the finding empty.
func (f *Finding) Reset() {
	clear(f.pieces) // they may hold on to files
	f.exists, f.size, f.pieces, f.copies = false, 0, f.pieces[:0], f.copies[:0]
}

// Add takes what a run has, a Set, Delete or Append, and says whether that was
// the last word. The value must stay as it is until the next Reset.
func (f *Finding) Add(kind Kind, v Value) (last bool) {
	if kind.HasValue() {
		f.exists = true
		f.size += v.Size()
		f.pieces = append(f.pieces, v)
	}
	return kind != Append
}

// AddPassing is Add for bytes that do not stay: they are copied unless nothing
// is going to be asked before they are used.
func (f *Finding) AddPassing(kind Kind, b []byte) (last bool) {
	if kind == Append || len(f.pieces) > 0 {
		from := len(f.copies)
		f.copies = append(f.copies, b...)
		b = f.copies[from:len(f.copies):len(f.copies)]
	}
	return f.Add(kind, Value{Bytes: b})
}

// Exists says whether the key has a value.
func (f *Finding) Exists() bool { return f.exists }

// Size of the value in bytes.
func (f *Finding) Size() int64 { return f.size }

// Whole returns the value if it lies in memory in one piece.
func (f *Finding) Whole() ([]byte, bool) {
	if len(f.pieces) != 1 || f.pieces[0].Large != nil {
		return nil, false
	}
	return f.pieces[0].Bytes, true
}

// AppendTo adds the value to dst, its pieces from the oldest to the newest.
func (f *Finding) AppendTo(dst []byte) (_ []byte, err error) {
	dst = slices.Grow(dst, int(f.size))
	for _, piece := range slices.Backward(f.pieces) {
		if dst, err = piece.AppendTo(dst); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// Reader reads the value as a stream. It is good until Reset.
func (f *Finding) Reader() io.Reader {
	readers := make([]io.Reader, 0, len(f.pieces))
	for _, piece := range slices.Backward(f.pieces) {
		readers = append(readers, piece.Reader())
	}
	return io.MultiReader(readers...)
}
