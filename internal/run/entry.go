package run

import "io"

// Kind says what an entry does to its key. The numbers are part of the formats.
type Kind uint8

const (
	// Set gives the key a value, whatever it had before.
	Set Kind = 1 + iota
	// Delete says that the key has no value.
	Delete
	// Append adds to the value that older runs have.
	Append
	// DeletePrefix is a tombstone: the keys with this prefix, as Split cuts
	// them, have no value in older runs. Its key is the prefix. It stands
	// before the entry of the same key.
	DeletePrefix
)

var kindNames = [...]string{Set: "set", Delete: "delete", Append: "append", DeletePrefix: "delete-prefix"}

// String returns the name of the kind.
func (k Kind) String() string {
	if !k.Valid() {
		return "unknown"
	}
	return kindNames[k]
}

// Valid says whether there is such a kind.
func (k Kind) Valid() bool { return Set <= k && k <= DeletePrefix }

// HasValue says whether entries of the kind have a value.
func (k Kind) HasValue() bool { return k == Set || k == Append }

// Then is the kind of the entry that an operation leaves in its run where there
// was one of kind k, 0 for none. See the table in the package comment. If it is
// an append and k has a value, the values are joined.
func (k Kind) Then(op Kind) Kind {
	if op == Append && (k == Set || k == Delete) {
		return Set
	}
	return op
}

// Entry is what a run has for a key.
type Entry struct {
	Key   []byte
	Kind  Kind
	Value Value // of Set and Append
}

// Value is bytes in memory, or in a file if there are many.
type Value struct {
	Bytes []byte // all of it, if Large is nil
	Large Large
}

// Large is a value that is read as a stream.
type Large interface {
	// Size is in bytes.
	Size() int64
	// Reader reads from the beginning, verified. It is good for as long as the
	// value is.
	Reader() io.Reader
}

// Size is in bytes.
func (v Value) Size() int64 {
	if v.Large != nil {
		return v.Large.Size()
	}
	return int64(len(v.Bytes))
}

// Reader reads the value from the beginning.
func (v Value) Reader() io.Reader {
	if v.Large != nil {
		return v.Large.Reader()
	}
	return &byteReader{v.Bytes}
}

// AppendTo adds the value to dst.
func (v Value) AppendTo(dst []byte) ([]byte, error) {
	if v.Large == nil {
		return append(dst, v.Bytes...), nil
	}
	n := len(dst)
	dst = append(dst, make([]byte, v.Large.Size())...)
	_, err := io.ReadFull(v.Large.Reader(), dst[n:])
	return dst, err
}

// byteReader is bytes.Reader without what nobody needs.
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

// Iterator walks the entries of a run in order: ascending by key, a
// DeletePrefix before the entry of the same key. It begins before the first.
// After an error it stands nowhere.
//
// Thread safety: one goroutine.
type Iterator interface {
	// Seek goes to the first entry whose key is at least key, which may lie
	// behind or ahead, and says whether there is one; nil is before all keys.
	Seek(key []byte) bool
	// Next goes to the next entry and says whether there is one.
	Next() bool
	// Entry is the current one. It and its bytes are good until the next call.
	Entry() *Entry
	// Err is the error that ended the walk, nil at its end.
	Err() error
	// Close gives back what the iterator holds.
	Close() error
}

// BackwardIterator is an Iterator that goes both ways.
type BackwardIterator interface {
	Iterator
	// SeekBelow goes to the last entry whose key is below key, and says whether there
	// is one; nil is above all keys.
	SeekBelow(key []byte) bool
	// Prev goes to the entry before the current one and says whether there is one. If
	// not, the iterator stands nowhere: a seek comes next.
	Prev() bool
}
