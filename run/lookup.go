package run

import (
	"io"
	"slices"
)

// Lookup collects the value of one key. The reader asks runs from the newest to the oldest;
// each run adds its entry, until an entry decides the value.
//
//	run 9 (newest)   append "c"     Add: not decided, continue
//	run 8            -
//	run 7            append "b"     Add: not decided, continue
//	run 6            set "a"        Add: decided; older runs are not asked
//	                                value = "a" "b" "c", in three pieces
//
// Pieces are not copied, with the exception of bytes that may change (AddTransient). Reset
// keeps the memory, so one Lookup can serve all reads of a goroutine. The zero value is empty.
//
// A memtable only calls Add. The other methods are for the tree, which reads the result.
//
// Thread safety: one goroutine.
type Lookup struct {
	count  int
	size   int64
	newest Value   // newest piece; nearly always the only one
	older  []Value // older pieces, newest first
	copies []byte  // copies of transient pieces

	existence bool // only Exists is asked, the bytes are not needed
}

// Reset empties the lookup.
func (l *Lookup) Reset() {
	if len(l.older) > 0 || l.newest.Large != nil { // they may hold on to files
		clear(l.older)
		l.older, l.newest.Large = l.older[:0], nil
	}
	l.count, l.size, l.copies, l.existence = 0, 0, l.copies[:0], false
}

// OnlyExistence restricts the lookup, until Reset, to the question whether the key has a
// value. Then the first entry decides, and no bytes are copied.
func (l *Lookup) OnlyExistence() { l.existence = true }

// Add adds the entry that a run has for the key: a Set, Delete or Append. It reports whether
// the entry decides the value, so that older runs need not be asked. A value in several pieces
// is added from the newest piece to the oldest, all but the oldest as an Append. The bytes of
// v must stay unchanged until the next Reset or the next write to the store.
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

// Replace makes v the only piece, like Reset and Add of a Set. It is on the fast path of
// iterators, and assigns field by field: a processor stalls when it loads several words at
// once just after they were stored one by one (failed store forwarding).
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
// unless they are the only piece and decide the value: then the caller reads them at once.
// Like Add, it reports whether the entry decides the value.
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

// pieces yields the pieces of the value, from the oldest to the newest.
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

// Reader returns a reader of the value. It is valid until Reset.
func (l *Lookup) Reader() io.Reader {
	readers := make([]io.Reader, 0, l.count)
	for piece := range l.pieces {
		readers = append(readers, piece.Reader())
	}
	return io.MultiReader(readers...)
}
