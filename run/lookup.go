package run

import (
	"io"
	"slices"
)

// Lookup collects the value of one key. The reader asks runs from the newest to the
// oldest, and each adds its entry, until one decides the value. A Lookup is reused to
// keep its memory; the zero value is empty.
//
// A memtable calls Add. The other methods are for the tree, which reads the result.
//
// Thread safety: one goroutine.
type Lookup struct {
	count  int
	size   int64
	newest Value   // the first piece: nearly always the only one
	older  []Value // the others, newest first
	copies []byte  // of values that their run does not keep

	existence bool // nobody reads the value
}

// Reset empties the lookup.
func (l *Lookup) Reset() {
	if len(l.older) > 0 || l.newest.Large != nil { // they may hold on to files
		clear(l.older)
		l.older, l.newest.Large = l.older[:0], nil
	}
	l.count, l.size, l.copies, l.existence = 0, 0, l.copies[:0], false
}

// OnlyExistence makes the lookup, until Reset, one that asks only whether the key has a
// value: the first entry decides that, and no bytes are copied.
func (l *Lookup) OnlyExistence() { l.existence = true }

// Add adds the entry that a run has, a Set, Delete or Append, and reports whether it
// decides the value, so that older runs need not be asked. A value in several pieces is
// added from the newest piece to the oldest, each but the oldest as an Append. The bytes
// must stay unchanged until the next Reset or write.
func (l *Lookup) Add(kind Kind, v Value) (last bool) {
	if kind.HasValue() {
		if l.count == 0 {
			l.newest = v
		} else {
			l.older = append(l.older, v)
		}
		l.count++
		l.size += v.Size()
	}
	return kind != Append || l.existence
}

// Replace replaces the content by one piece. It is Reset and Add for the walks of the tree,
// and assigns word by word: a processor stalls when it reads many words at once that it
// has just written one by one.
func (l *Lookup) Replace(v *Value) {
	if len(l.older) > 0 || l.newest.Large != nil || v.Large != nil {
		l.Reset()
		l.Add(Set, *v)
		return
	}
	l.newest.Bytes = v.Bytes
	l.count, l.size = 1, int64(len(v.Bytes))
}

// AddTransient is Add for bytes that may change before the value is read. It copies them,
// unless they are a Set or Delete and the only piece: the caller reads that at once.
func (l *Lookup) AddTransient(kind Kind, b []byte) (last bool) {
	if (kind == Append || l.count > 0) && !l.existence {
		from := len(l.copies)
		l.copies = append(l.copies, b...)
		b = l.copies[from:len(l.copies):len(l.copies)]
	}
	return l.Add(kind, Value{Bytes: b})
}

// Exists reports whether the key has a value.
func (l *Lookup) Exists() bool { return l.count > 0 }

// Size returns the size of the value in bytes.
func (l *Lookup) Size() int64 { return l.size }

// Pieces returns the number of entries that make up the value.
func (l *Lookup) Pieces() int { return l.count }

// Whole returns the value if it is in memory in one piece.
func (l *Lookup) Whole() ([]byte, bool) {
	if l.count != 1 || l.newest.Large != nil {
		return nil, false
	}
	return l.newest.Bytes, true
}

// pieces yields the pieces of the value from the oldest to the newest.
func (l *Lookup) pieces(yield func(Value) bool) {
	for _, piece := range slices.Backward(l.older) {
		if !yield(piece) {
			return
		}
	}
	if l.count > 0 {
		yield(l.newest)
	}
}

// AppendTo appends the value to dst.
func (l *Lookup) AppendTo(dst []byte) (_ []byte, err error) {
	dst = slices.Grow(dst, int(l.size))
	for piece := range l.pieces {
		if dst, err = piece.AppendTo(dst); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// Reader returns a reader of the value. It may be used until Reset.
func (l *Lookup) Reader() io.Reader {
	readers := make([]io.Reader, 0, l.count)
	for piece := range l.pieces {
		readers = append(readers, piece.Reader())
	}
	return io.MultiReader(readers...)
}
