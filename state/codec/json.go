package codec

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
)

// JSON returns a codec that encodes values by encoding/json. It suits values whose type changes
// often, and is slow.
//
// JSON must not be used for keys: keys are equal if their encodings are, but encoding/json writes
// different bytes in different releases of Go (1.22 changed the escapes of \b and \f). For this
// reason, and so that fields can be added, Decode accepts all that json.Unmarshal accepts for a T.
// A nil slice and an empty slice are different values.
//
// Error texts leave out the text of encoding/json's error, which contains data; errors.As finds
// that error.
func JSON[T any](name string, version uint32) Codec[T] {
	if err := checkName(name); err != nil {
		return newInvalid[T](name, version, err)
	}
	return &jsonCodec[T]{id: ID{Name: name, Version: version, Schema: "json"}}
}

type jsonCodec[T any] struct{ id ID }

func (c *jsonCodec[T]) ID() ID             { return c.id }
func (c *jsonCodec[T]) FixedSize() int     { return -1 }
func (c *jsonCodec[T]) Compare(a, b T) int { return CompareEncoded(c, a, b) }

func (c *jsonCodec[T]) Size(v T) (int64, error) {
	raw, err := c.marshal(v)
	return int64(len(raw)), err
}

func (c *jsonCodec[T]) Append(dst []byte, v T) ([]byte, error) {
	raw, err := c.marshal(v)
	if err != nil {
		return dst, err
	}
	return append(dst, raw...), nil
}

// marshal returns the encoding of v.
func (c *jsonCodec[T]) marshal(v T) ([]byte, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, &hiddenCause{
			error: fmt.Errorf("codec %q: %w: %T", c.id.Name, ErrUnencodable, err),
			cause: err,
		}
	}
	return raw, nil
}

func (c *jsonCodec[T]) Decode(src []byte) (T, error) {
	var v, zero T
	if err := json.Unmarshal(src, &v); err != nil {
		return zero, &hiddenCause{
			error: malformed(c.id.Name, "%d bytes are not the JSON of a %s%s", len(src), reflect.TypeFor[T](), offsetIn(err)),
			cause: err,
		}
	}
	return v, nil
}

// offsetIn returns a text with the byte offset of an error of encoding/json, or an empty text.
func offsetIn(err error) string {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Sprintf(": syntax error after byte %d", syntax.Offset)
	}
	var mismatch *json.UnmarshalTypeError
	if errors.As(err, &mismatch) {
		return fmt.Sprintf(": wrong type before byte %d", mismatch.Offset)
	}
	return ""
}
