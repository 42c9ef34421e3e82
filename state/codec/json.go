package codec

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
)

// JSON encodes a value as encoding/json does. It is convenient for values that
// change shape often, and slow.
//
// It is not for keys. Keys are equal when their encodings are, but the exact
// bytes that encoding/json writes change between releases of Go (1.22 changed
// the escapes of \b and \f). For the same reason, and so that a field can be
// added, Decode accepts all that json.Unmarshal accepts for a T. A nil and an
// empty slice in a value stay two values.
//
// Errors do not quote the data, as those of encoding/json do; errors.As finds
// the original.
func JSON[T any](name string, version uint32) Codec[T] {
	if err := checkName(name); err != nil {
		return refuse[T](name, version, err)
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

func (c *jsonCodec[T]) marshal(v T) ([]byte, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, &quiet{
			error: fmt.Errorf("codec %q: %w: %T", c.id.Name, ErrUnencodable, err),
			cause: err,
		}
	}
	return raw, nil
}

func (c *jsonCodec[T]) Decode(src []byte) (T, error) {
	var v, zero T
	if err := json.Unmarshal(src, &v); err != nil {
		return zero, &quiet{
			error: malformed(c.id.Name, "%d bytes are no JSON for a %s%s", len(src), reflect.TypeFor[T](), offsetIn(err)),
			cause: err,
		}
	}
	return v, nil
}

// offsetIn says where encoding/json stopped, if err tells.
func offsetIn(err error) string {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Sprintf(": syntax error after %d", syntax.Offset)
	}
	var mismatch *json.UnmarshalTypeError
	if errors.As(err, &mismatch) {
		return fmt.Sprintf(": the wrong type before %d", mismatch.Offset)
	}
	return ""
}
