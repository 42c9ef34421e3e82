package codec

import (
	"errors"
	"fmt"
)

// The errors of codecs wrap one of these. Their texts contain names and sizes, never data.
var (
	// ErrMalformed is returned by Decode for bytes that are not the encoding of a value.
	ErrMalformed = errors.New("malformed encoding")

	// ErrUnencodable is returned by Size and Append for a value without an encoding, such as
	// a NaN in JSON, or a map with two keys whose encodings are equal.
	ErrUnencodable = errors.New("value has no encoding")

	// ErrInvalidCodec is returned by Size, Append and Decode of a codec that was built from
	// invalid arguments, such as a struct with two fields of one name, and for an encoding
	// whose size is not the FixedSize of its codec.
	ErrInvalidCodec = errors.New("invalid codec")
)

// malformed returns an ErrMalformed of the codec with a name.
func malformed(name, format string, args ...any) error {
	return fmt.Errorf("codec %q: %w: %s", name, ErrMalformed, fmt.Sprintf(format, args...))
}

// wrongSize returns the error for an encoding whose size is not the FixedSize of its codec. Slices,
// maps and structs check this before they write raw elements, which they could not split again.
func wrongSize(size int64, fixed int) error {
	return fmt.Errorf("%w: an encoding has %d bytes, FixedSize of its codec is %d", ErrInvalidCodec, size, fixed)
}

// hiddenCause is an error that hides the text of its cause: foreign code wrote that text, and it may
// contain data. errors.As finds the cause.
type hiddenCause struct {
	error
	cause error
}

func (e *hiddenCause) Unwrap() []error { return []error{e.error, e.cause} }
