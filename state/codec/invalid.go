package codec

import (
	"fmt"
	"strings"
)

// invalid stands for a codec that was built wrongly. Constructors return no
// error, so that codecs can be package variables; this one returns it wherever
// it is used. A codec built on an invalid one is invalid for the same reason.
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

// fault is the reason why c cannot be used, or nil.
func fault[T any](c Codec[T]) error {
	if c == nil {
		return fmt.Errorf("%w: no codec was given", ErrInvalidCodec)
	}
	if c, ok := c.(interface{ fault() error }); ok {
		return c.fault()
	}
	return nil
}

// refuse wraps err, which is fault's or checkName's, for a codec called name.
func refuse[T any](name string, version uint32, err error) Codec[T] {
	return &invalid[T]{
		id:  ID{Name: name, Version: version},
		err: fmt.Errorf("codec %q: %w", name, err),
	}
}

// checkName refuses names that belong to the codecs of this package, since
// equal IDs must mean equal encodings.
func checkName(name string) error {
	switch name {
	case "bool", "string", "bytes", "time", "float32", "float64",
		"int", "int8", "int16", "int32", "int64",
		"uint", "uint8", "uint16", "uint32", "uint64",
		"slice", "map", "pointer":
		return fmt.Errorf("%w: the name is a built-in codec's", ErrInvalidCodec)
	}
	return checkLabel(name)
}

// checkLabel refuses what would make a schema ambiguous.
func checkLabel(name string) error {
	if name == "" {
		return fmt.Errorf("%w: a name is empty", ErrInvalidCodec)
	}
	if strings.ContainsAny(name, ",:()") {
		return fmt.Errorf("%w: the name %q has one of the characters , : ( )", ErrInvalidCodec, name)
	}
	return nil
}
