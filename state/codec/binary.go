package codec

import (
	"encoding"
	"fmt"
)

// Binary returns a codec that encodes a value by its AppendBinary, or by MarshalBinary if it does
// not have AppendBinary, and decodes it by UnmarshalBinary. The type argument PT is *T and can be
// left out:
//
//	codec.Binary[netip.Addr]("addr", 1)
//
// Decode accepts all that UnmarshalBinary accepts. As a key, a type must encode equal values
// equally. Error texts leave out the text of the type's error, which may contain data; errors.As
// finds that error.
func Binary[T any, PT interface {
	*T
	encoding.BinaryMarshaler
	encoding.BinaryUnmarshaler
}](name string, version uint32) Codec[T] {
	if err := checkName(name); err != nil {
		return newInvalid[T](name, version, err)
	}
	_, canAppend := any(PT(nil)).(encoding.BinaryAppender)
	return &binaryCodec[T, PT]{
		id:        ID{Name: name, Version: version, Schema: "binary"},
		canAppend: canAppend,
	}
}

type binaryCodec[T any, PT interface {
	*T
	encoding.BinaryMarshaler
	encoding.BinaryUnmarshaler
}] struct {
	id        ID
	canAppend bool
}

func (c *binaryCodec[T, PT]) ID() ID                  { return c.id }
func (c *binaryCodec[T, PT]) FixedSize() int          { return -1 }
func (c *binaryCodec[T, PT]) Compare(a, b T) int      { return CompareEncoded(c, a, b) }
func (c *binaryCodec[T, PT]) Size(v T) (int64, error) { return sizeEncoded(c, v) }

func (c *binaryCodec[T, PT]) Append(dst []byte, v T) ([]byte, error) {
	var out []byte
	var err error
	if c.canAppend {
		out, err = any(PT(&v)).(encoding.BinaryAppender).AppendBinary(dst)
	} else {
		out, err = PT(&v).MarshalBinary()
		out = append(dst, out...)
	}
	if err != nil {
		return dst, &hiddenCause{
			error: fmt.Errorf("codec %q: %w: %T", c.id.Name, ErrUnencodable, err),
			cause: err,
		}
	}
	return out, nil
}

func (c *binaryCodec[T, PT]) Decode(src []byte) (T, error) {
	var v, zero T
	if err := PT(&v).UnmarshalBinary(src); err != nil {
		return zero, &hiddenCause{
			error: malformed(c.id.Name, "%d bytes: %T", len(src), err),
			cause: err,
		}
	}
	return v, nil
}
