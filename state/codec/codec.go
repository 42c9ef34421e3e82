// Package codec encodes values as bytes and decodes them: keys, values, list elements and map
// entries of every kind of state.
//
//	kind of value            codec                                ordered  as a key
//	bool, integers           Bool, Int                            yes      yes
//	floating-point numbers   Float                                yes      yes
//	strings, byte slices     String, Bytes                        yes      yes
//	time.Time                Time                                 yes      yes
//	structs                  Struct with Field                    yes (1)  yes
//	pointers                 Pointer                              yes (1)  yes
//	slices, maps             Slice, Map                           no       yes
//	encoding.BinaryMarshaler Binary                               (2)      (2)
//	any other format         Func, or an own Codec                (2)      (2)
//	JSON                     JSON                                 no       no
//	protobuf messages        protocodec.New, in another module    no       no
//
// (1) if the parts are. (2) depends on the format. "Ordered" means that encodings sort as the
// values do, which is the order of MapState iterations and of timers.
//
// A codec has an identity of name, version and schema; see ID. Constructors return no error, so
// that a codec can be a package variable. A codec that was built from invalid arguments returns
// ErrInvalidCodec from each method that can return an error.
//
// This package must not know states, backends or files.
package codec

import "strconv"

// Codec encodes values of type T.
//
// An encoding need not contain its size: Decode gets exactly the bytes that one Append produced.
// Codecs that nest others add sizes or escapes where they need them.
//
// Two values are the same key if their encodings are equal, whatever == returns for them. Values
// are ordered as bytes.Compare orders their encodings.
//
// Thread safety: all methods must be safe for concurrent use, since the task and the goroutine
// that writes a snapshot use a codec at the same time. A codec that needs scratch memory takes it
// from dst or from a pool.
type Codec[T any] interface {
	// ID returns the identity of the encoding. Snapshots record it, and a restore compares
	// it.
	ID() ID

	// FixedSize returns the size in bytes of all encodings, or -1 if sizes vary.
	FixedSize() int

	// Size returns the exact number of bytes that Append would add for v. It returns an error
	// for each value for which Append does: a backend that stores values decoded calls only
	// Size, and must refuse the same values as a backend that encodes them.
	Size(v T) (int64, error)

	// Append appends the encoding of v to dst and returns the extended slice. With an error it
	// returns dst unchanged.
	Append(dst []byte, v T) ([]byte, error)

	// Decode decodes src, which holds exactly one encoding. For any src, it must not keep or
	// modify src, must not panic, and must not allocate more than a small multiple of
	// len(src). It returns an error that wraps ErrMalformed for bytes that Append does not
	// produce, so that equal values have equal encodings. Codecs of foreign formats (JSON,
	// Binary, Func) may accept other encodings too.
	Decode(src []byte) (T, error)

	// Compare compares a and b as bytes.Compare compares their encodings: 0 means that the
	// encodings are equal. The result for a value without an encoding is undefined.
	Compare(a, b T) int
}

// ID is the identity of a codec: equal IDs must mean equal encodings.
//
// Problem: a snapshot outlives the program that wrote it. A later program may have another struct
// under the same state name. Its codec might decode the old bytes without an error and return
// wrong values.
//
// Idea: a snapshot records, for each state, the IDs of its codecs. A restore compares them with the
// IDs of the declared codecs, before it reads a row, and refuses other ones with
// state.ErrIncompatible. The ID is text that codecs compute from their construction:
//
//	codec.Struct("order", 2,
//		codec.Field("user", ..., codec.String[string]()),
//		codec.Field("lines", ..., codec.Slice(codec.Int[int32]())))
//
//	order / 2 ( user:string/1 , lines:slice/1(int32/1) )
//	  │     │     └──────────── Schema: what is inside, computed
//	  │     └────────────────── Version: set by the program
//	  └──────────────────────── Name: set by the program, or built-in
//
// Changing a schema. Adding, removing, reordering or retyping a field of a Struct changes Schema,
// so old snapshots are refused. Changes that the schema cannot show, such as another unit of a
// number or another encoding in a Func, need a new Version. There is no automatic migration. A
// program that must read old state has these choices:
//
//   - declare a second state with the new codec under another name, restore both, and move each
//     key's value when the key is used next;
//   - use JSON or protobuf for the value, whose formats allow added fields under one ID;
//   - restore with the old program, write the state through a sink, and load it anew.
//
// Invariant: the name of a built-in codec ("int64", "slice", ...) cannot be given to Struct, Func,
// JSON or Binary, and names contain none of the characters , : ( ), so String is unambiguous.
//
// Invariant: an ID never depends on the platform: int and uint take 8 bytes everywhere.
type ID struct {
	// Name is the name of the codec: built-in, such as "int64" or "slice", or chosen by the
	// program.
	Name string
	// Version is the version of the encoding. The program increments it whenever the meaning
	// of the bytes changes.
	Version uint32
	// Schema describes the parts: the ID of a slice's elements, the names and IDs of a
	// struct's fields. It is empty for scalars.
	Schema string
}

// String returns "name/version", followed by the schema in parentheses if there is one.
func (id ID) String() string {
	s := id.Name + "/" + strconv.FormatUint(uint64(id.Version), 10)
	if id.Schema != "" {
		s += "(" + id.Schema + ")"
	}
	return s
}
