package codec

import (
	"fmt"
	"strings"
)

// invalid is the result of a constructor with invalid arguments. Constructors return no error, so
// that codecs can be package variables; the methods of invalid return it. A codec that contains an
// invalid codec is invalid too, with the same error.
type invalid[T any] struct {
	id  ID
	err error
}

func (c *invalid[T]) ID() ID                                 { return c.id }
func (c *invalid[T]) FixedSize() int                         { return -1 }
func (c *invalid[T]) Size(T) (int64, error)                  { return 0, c.err }
func (c *invalid[T]) Append(dst []byte, _ T) ([]byte, error) { return dst, c.err }
func (c *invalid[T]) Compare(_, _ T) int                     { return 0 }
func (c *invalid[T]) fault() error                           { return c.err }

func (c *invalid[T]) Decode([]byte) (T, error) {
	var zero T
	return zero, c.err
}

// fault returns the error of an invalid codec, or nil.
func fault[T any](c Codec[T]) error {
	if c == nil {
		return fmt.Errorf("%w: the codec must not be nil", ErrInvalidCodec)
	}
	if c, ok := c.(interface{ fault() error }); ok {
		return c.fault()
	}
	return nil
}

// newInvalid returns an invalid codec with a name and an error of fault, checkName or checkFields.
func newInvalid[T any](name string, version uint32, err error) Codec[T] {
	return &invalid[T]{
		id:  ID{Name: name, Version: version},
		err: fmt.Errorf("codec %q: %w", name, err),
	}
}

// checkName returns an error if a program may not give the name to a codec: it is empty, has an
// illegal character, or belongs to a codec of this package.
func checkName(name string) error {
	switch name {
	case "bool", "string", "bytes", "time", "float32", "float64",
		"int", "int8", "int16", "int32", "int64",
		"uint", "uint8", "uint16", "uint32", "uint64",
		"slice", "map", "pointer":
		return fmt.Errorf("%w: the name belongs to a built-in codec", ErrInvalidCodec)
	}
	return checkLabel(name)
}

// checkLabel returns an error for a name that would make a schema ambiguous.
func checkLabel(name string) error {
	if name == "" {
		return fmt.Errorf("%w: the name is empty", ErrInvalidCodec)
	}
	if strings.ContainsAny(name, ",:()") {
		return fmt.Errorf("%w: the name %q contains one of the characters , : ( )", ErrInvalidCodec, name)
	}
	return nil
}
