package run

import "io"

// Kind is the kind of an operation and of the entry that it leaves. The numbers are part
// of the formats.
type Kind uint8

const (
	// Set gives the key a value, whatever it had before.
	Set Kind = 1 + iota
	// Delete removes the value of the key.
	Delete
	// Append appends to the value that older runs have.
	Append
	// DeletePrefix is a tombstone: it hides the keys with this prefix, as Split cuts
	// them, in older runs. Its key is the prefix. It comes before the entry of the
	// same key.
	DeletePrefix
)

var kindNames = [...]string{Set: "set", Delete: "delete", Append: "append", DeletePrefix: "delete-prefix"}

// String returns the name of the kind, "unknown" if it is not valid.
func (k Kind) String() string {
	if !k.Valid() {
		return "unknown"
	}
	return kindNames[k]
}

// Valid reports whether the kind is one of the constants.
func (k Kind) Valid() bool { return Set <= k && k <= DeletePrefix }

// HasValue reports whether entries of the kind have a value.
func (k Kind) HasValue() bool { return k == Set || k == Append }

// Then returns the kind of the entry that a later operation op leaves in the run where
// the key had an entry of kind k; 0 is no entry. See the table in the package comment. If
// op is Append and k has a value, the values are joined.
func (k Kind) Then(op Kind) Kind {
	if op == Append && (k == Set || k == Delete) {
		return Set
	}
	return op
}

// Entry is the entry of a run for a key.
type Entry struct {
	Key   []byte
	Kind  Kind
	Value Value // of Set and Append; empty for the other kinds
}

// Value holds bytes in memory or, if they are many, in a file.
type Value struct {
	Bytes []byte // the whole value, if Large is nil
	Large Large
}

// Large is a value that is read as a stream. Memtables have none.
type Large interface {
	// Size returns the size in bytes.
	Size() int64
	// Reader returns a reader from the beginning, which verifies checksums. It may
	// be used for as long as the value.
	Reader() io.Reader
}

// Size returns the size in bytes.
func (v Value) Size() int64 {
	if v.Large != nil {
		return v.Large.Size()
	}
	return int64(len(v.Bytes))
}

// Reader returns a reader of the value from its beginning.
func (v Value) Reader() io.Reader {
	if v.Large != nil {
		return v.Large.Reader()
	}
	return &byteReader{v.Bytes}
}

// AppendTo appends the value to dst.
func (v Value) AppendTo(dst []byte) ([]byte, error) {
	if v.Large == nil {
		return append(dst, v.Bytes...), nil
	}
	n := len(dst)
	dst = append(dst, make([]byte, v.Large.Size())...)
	_, err := io.ReadFull(v.Large.Reader(), dst[n:])
	return dst, err
}

// byteReader implements io.Reader in fewer words than bytes.Reader.
type byteReader struct{ rest []byte }

// Read implements io.Reader.
func (r *byteReader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// Iterator walks the entries of a run in ascending order of keys, a DeletePrefix before
// the entry of the same key. A new iterator stands before the first entry. After an error
// it has no current entry.
//
// Thread safety: one goroutine.
type Iterator interface {
	// Seek goes to the first entry whose key is at least key, forward or backward, and
	// reports whether it exists; nil is before all keys.
	Seek(key []byte) bool
	// Next goes to the next entry and reports whether it exists.
	Next() bool
	// Entry returns the current entry. The entry and its bytes may be used until the
	// next call.
	Entry() *Entry
	// Err returns the error that ended the walk, nil at its end.
	Err() error
	// Close releases the resources of the iterator.
	Close() error
}

// BackwardIterator is an Iterator that also goes backward.
type BackwardIterator interface {
	Iterator
	// SeekBelow goes to the last entry whose key is below key, and reports whether it
	// exists; nil is above all keys.
	SeekBelow(key []byte) bool
	// Prev goes to the entry before the current one and reports whether it exists. If it
	// does not, there is no current entry, and the caller seeks next.
	Prev() bool
}
