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
	count  int
	size   int64
	newest Value   // the first piece: nearly always the only one
	older  []Value // the others, newest first
	copies []byte  // what had to be copied
}

// Reset makes the finding empty.
func (f *Finding) Reset() {
	if len(f.older) > 0 || f.newest.Large != nil { // they may hold on to files
		clear(f.older)
		f.older, f.newest.Large = f.older[:0], nil
	}
	f.count, f.size, f.copies = 0, 0, f.copies[:0]
}

// Add takes what a run has, a Set, Delete or Append, and says whether that was
// the last word. The value must stay as it is until the next Reset.
func (f *Finding) Add(kind Kind, v Value) (last bool) {
	if kind.HasValue() {
		if f.count == 0 {
			f.newest = v
		} else {
			f.older = append(f.older, v)
		}
		f.count++
		f.size += v.Size()
	}
	return kind != Append
}

// Only makes the finding that of one piece. It is Reset and Add for a walk: word
// by word, since a processor waits where it reads many at once that have just
// been written one by one.
func (f *Finding) Only(v *Value) {
	if len(f.older) > 0 || f.newest.Large != nil || v.Large != nil {
		f.Reset()
		f.Add(Set, *v)
		return
	}
	f.newest.Bytes = v.Bytes
	f.count, f.size = 1, int64(len(v.Bytes))
}

// AddPassing is Add for bytes that do not stay: they are copied unless nothing
// is going to be asked before they are used.
func (f *Finding) AddPassing(kind Kind, b []byte) (last bool) {
	if kind == Append || f.count > 0 {
		from := len(f.copies)
		f.copies = append(f.copies, b...)
		b = f.copies[from:len(f.copies):len(f.copies)]
	}
	return f.Add(kind, Value{Bytes: b})
}

// Exists says whether the key has a value.
func (f *Finding) Exists() bool { return f.count > 0 }

// Size of the value in bytes.
func (f *Finding) Size() int64 { return f.size }

// Pieces is how many entries the value comes from.
func (f *Finding) Pieces() int { return f.count }

// Whole returns the value if it lies in memory in one piece.
func (f *Finding) Whole() ([]byte, bool) {
	if f.count != 1 || f.newest.Large != nil {
		return nil, false
	}
	return f.newest.Bytes, true
}

// pieces are those of the value, from the oldest to the newest.
func (f *Finding) pieces(yield func(Value) bool) {
	for _, piece := range slices.Backward(f.older) {
		if !yield(piece) {
			return
		}
	}
	if f.count > 0 {
		yield(f.newest)
	}
}

// AppendTo adds the value to dst.
func (f *Finding) AppendTo(dst []byte) (_ []byte, err error) {
	dst = slices.Grow(dst, int(f.size))
	for piece := range f.pieces {
		if dst, err = piece.AppendTo(dst); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// Reader reads the value as a stream. It is good until Reset.
func (f *Finding) Reader() io.Reader {
	readers := make([]io.Reader, 0, f.count)
	for piece := range f.pieces {
		readers = append(readers, piece.Reader())
	}
	return io.MultiReader(readers...)
}
