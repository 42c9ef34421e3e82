package codec

import "fmt"

// Func returns a codec made of two functions, for a format of the program's own. Encode appends the
// encoding of v to dst and returns the extended slice; decode decodes all of src. Both follow the
// rules of Codec.Append and Codec.Decode: they are safe for concurrent use, do not panic, keep
// nothing of src, and encode equal values equally if the codec is for keys. Func wraps their errors
// in ErrUnencodable and ErrMalformed; their texts should not contain data.
//
// Size and Compare call encode. A type that needs them to be fast should have a Codec of its own,
// which may use CompareEncoded.
func Func[T any](name string, version uint32, encode func(dst []byte, v T) ([]byte, error), decode func(src []byte) (T, error)) Codec[T] {
	if err := checkName(name); err != nil {
		return newInvalid[T](name, version, err)
	}
	if encode == nil || decode == nil {
		return newInvalid[T](name, version, fmt.Errorf("%w: encode and decode must not be nil", ErrInvalidCodec))
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
		return dst, fmt.Errorf("codec %q: %w: encode returned a slice shorter than dst", c.id.Name, ErrInvalidCodec)
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
