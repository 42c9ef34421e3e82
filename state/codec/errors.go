package codec

import (
	"errors"
	"fmt"
)

// The errors of every codec wrap one of these. Their texts carry names and
// sizes, never the data.
var (
	// ErrMalformed is returned when Decode is given bytes that are no encoding
	// of any value.
	ErrMalformed = errors.New("malformed encoding")

	// ErrUnencodable is returned by Size and Append when the value has no
	// encoding, such as a NaN in JSON or a map with two keys that encode alike.
	ErrUnencodable = errors.New("value has no encoding")

	// ErrInvalidCodec is returned by Size, Append and Decode of a codec that
	// was built wrongly, such as a struct with two fields of one name, and of
	// one whose encodings have not the size that its FixedSize promises.
	ErrInvalidCodec = errors.New("invalid codec")
)

func malformed(name, format string, args ...any) error {
	return fmt.Errorf("codec %q: %w: %s", name, ErrMalformed, fmt.Sprintf(format, args...))
}

// wrongSize is for a codec that breaks its promise of a fixed size. Slices, maps
// and structs hold it to that before they write what they could not split again.
func wrongSize(size int64, fixed int) error {
	return fmt.Errorf("%w: an encoding of %d bytes from a codec of fixed size %d", ErrInvalidCodec, size, fixed)
}

// quiet is an error with a cause whose text is left out, because code that we
// do not control wrote it and may have quoted the data. errors.As finds it.
type quiet struct {
	error
	cause error
}

func (e *quiet) Unwrap() []error { return []error{e.error, e.cause} }
