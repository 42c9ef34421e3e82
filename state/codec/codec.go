// Package codec turns values into bytes and back, for keys, values, list
// elements and map entries of every kind of state. A codec has a name, a
// version and a schema, which travel in every snapshot, so that a restore can
// tell whether the bytes mean what the program thinks they mean. The room
// knows nothing of states, backends or files.
package codec

import "strconv"

// Codec encodes values of type T.
//
// An encoding need not say where it ends: Decode is always given exactly the
// bytes that one Append produced. Codecs that nest others frame what varies in
// size.
//
// Two values are the same key when their encodings are equal, whatever == says
// of them, and they are ordered as their encodings are.
//
// Thread safety: a codec is used by the task and by the asynchronous half of a
// snapshot at the same time, so every method must be safe for concurrent use.
// A codec that needs scratch space takes it from dst or from a pool.
type Codec[T any] interface {
	// ID names the encoding. It is written into every snapshot and compared on
	// restore.
	ID() ID

	// FixedSize is the size in bytes of every encoding, or -1 if sizes vary.
	FixedSize() int

	// Size is the exact number of bytes that Append would add for v. The error
	// is Append's: a value that has no encoding is refused here too, so that a
	// backend that keeps values decoded refuses what one that encodes refuses.
	Size(v T) (int64, error)

	// Append adds the encoding of v to dst and returns the longer slice. On an
	// error it returns dst as it was.
	Append(dst []byte, v T) ([]byte, error)

	// Decode reads a value from src, which is all of one encoding. It never
	// keeps or modifies src, never panics, and allocates no more than a small
	// multiple of len(src), whatever src holds. Bytes that Append would not
	// have produced are an error that wraps ErrMalformed, so that equal values
	// always have equal encodings. Only a codec around a format that is not
	// ours (JSON, Binary, Func) may accept more than it writes.
	Decode(src []byte) (T, error)

	// Compare orders a and b as bytes.Compare orders their encodings. It is 0
	// exactly when the encodings are equal. Values that have no encoding have
	// no order.
	Compare(a, b T) int
}

// ID is what a snapshot records of a codec.
type ID struct {
	// Name is the registered name, such as "int64", "slice" or the name that
	// the program gave to a struct.
	Name string
	// Version is raised by the codec's author whenever the meaning of the
	// bytes changes.
	Version uint32
	// Schema describes what is inside: the element's ID for a slice, the names
	// and IDs of the fields for a struct. Empty for scalar types.
	Schema string
}

// String is name/version, and the schema in parentheses if there is one.
func (id ID) String() string {
	s := id.Name + "/" + strconv.FormatUint(uint64(id.Version), 10)
	if id.Schema != "" {
		s += "(" + id.Schema + ")"
	}
	return s
}
