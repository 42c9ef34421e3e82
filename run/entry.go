package run

import "io"

// Kind is the kind of an operation, and of the entry that it creates. The numbers are part of
// the file formats.
type Kind uint8

const (
	// Set gives the key a value and replaces any older one.
	Set Kind = 1 + iota
	// Delete removes the value of the key.
	Delete
	// Append appends to the value that the key has in older runs.
	Append
	// DeletePrefix is a prefix tombstone: it hides all keys in older runs whose prefix, as cut
	// by Split, equals its key. It sorts before the entry of the same key.
	DeletePrefix
)

var kindNames = [...]string{Set: "set", Delete: "delete", Append: "append", DeletePrefix: "delete-prefix"}

// String returns the name of the kind, or "unknown" for an invalid kind.
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

// Then returns the kind of the entry that results if operation op follows an entry of kind k
// in the same run; k is 0 if there is no entry. See the table in the package comment. If op is
// Append and k has a value, the caller joins the values.
func (k Kind) Then(op Kind) Kind {
	if op == Append && (k == Set || k == Delete) {
		return Set
	}
	return op
}

// Entry is the entry of a key in a run.
type Entry struct {
	Key   []byte // key, or prefix of a DeletePrefix
	Kind  Kind   // what the entry does to older entries of the key
	Value Value  // value of a Set or Append; empty for other kinds
}

// Value is a value in one slice or, if it is large, a stream.
type Value struct {
	Bytes []byte // the whole value, if Large is nil
	Large Large  // the value as a stream; nil if it is in Bytes
}

// Large is a value that is read as a stream: from a file, or from the pieces of a value in a
// memtable that has grown by appends.
type Large interface {
	// Size returns the size in bytes.
	Size() int64
	// Reader returns a reader of the whole value, which verifies checksums. It is valid as
	// long as the value.
	Reader() io.Reader
}

// Size returns the size of the value in bytes.
func (v Value) Size() int64 {
	if v.Large != nil {
		return v.Large.Size()
	}
	return int64(len(v.Bytes))
}

// Reader returns a reader of the whole value.
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

// byteReader is an io.Reader over bytes. It is smaller than bytes.Reader.
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

// Iterator walks the entries of a run in ascending order of keys; a DeletePrefix comes before
// the entry of the same key. A new iterator stands before the first entry. After an error it
// has no current entry.
//
// Thread safety: one goroutine.
type Iterator interface {
	// Seek moves to the first entry with a key of at least key, forward or backward, and
	// reports whether it exists. A nil key is below all keys.
	Seek(key []byte) bool
	// Next moves to the next entry and reports whether it exists.
	Next() bool
	// Entry returns the current entry. The entry and its bytes are valid until the next call
	// of a method.
	Entry() *Entry
	// Err returns the error that ended the walk; nil if it reached its end.
	Err() error
	// Close releases the resources of the iterator.
	Close() error
}

// BackwardIterator is an Iterator that can also move backward.
type BackwardIterator interface {
	Iterator
	// SeekBelow moves to the last entry with a key below key, and reports whether it exists. A
	// nil key is above all keys.
	SeekBelow(key []byte) bool
	// Prev moves to the entry before the current one and reports whether it exists. If it does
	// not, the iterator has no current entry, and the caller must seek before any other move.
	Prev() bool
}
