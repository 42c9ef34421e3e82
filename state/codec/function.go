package codec

import "fmt"

// Func is a codec made of two functions, for a format of the user's own, such
// as protobuf. Encode adds the encoding of v to dst and returns the longer
// slice; decode reads all of src. Both follow the rules of Codec.Append and
// Codec.Decode: safe for concurrent use, no panic, nothing kept of src, and
// equal values encoded alike if the codec is for keys. Their errors are wrapped
// in ErrUnencodable and ErrMalformed, and should not quote the data.
//
// Size and Compare encode. A type that needs them fast is better served by a
// Codec of its own, which may use CompareEncoded for the parts that do not
// matter.
func Func[T any](name string, version uint32, encode func(dst []byte, v T) ([]byte, error), decode func(src []byte) (T, error)) Codec[T] {
	if err := checkName(name); err != nil {
		return refuse[T](name, version, err)
	}
	if encode == nil || decode == nil {
		return refuse[T](name, version, fmt.Errorf("%w: a function is missing", ErrInvalidCodec))
	}
	return &funcCodec[T]{id: ID{Name: name, Version: version}, encode: encode, decode: decode}
}

type funcCodec[T any] struct {
	id     ID
	encode func(dst []byte, v T) ([]byte, error)
	decode func(src []byte) (T, error)
}

func (c *funcCodec[T]) ID() ID                  { return c.id }
func (c *funcCodec[T]) FixedSize() int          { return -1 }
func (c *funcCodec[T]) Compare(a, b T) int      { return CompareEncoded(c, a, b) }
func (c *funcCodec[T]) Size(v T) (int64, error) { return sizeEncoded(c, v) }

func (c *funcCodec[T]) Append(dst []byte, v T) ([]byte, error) {
	out, err := c.encode(dst, v)
	if err != nil {
		return dst, fmt.Errorf("codec %q: %w: %w", c.id.Name, ErrUnencodable, err)
	}
	if len(out) < len(dst) {
		return dst, fmt.Errorf("codec %q: %w: encode lost some of what it was to add to", c.id.Name, ErrInvalidCodec)
	}
	return out, nil
}

func (c *funcCodec[T]) Decode(src []byte) (T, error) {
	v, err := c.decode(src)
	if err != nil {
		var zero T
		return zero, fmt.Errorf("codec %q: %w: %d bytes: %w", c.id.Name, ErrMalformed, len(src), err)
	}
	return v, nil
}
