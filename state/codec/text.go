package codec

import (
	"bytes"
	"slices"
	"strings"
)

// String returns the codec of strings. The encoding is the bytes of the string; they need not be
// UTF-8.
func String[T ~string]() Codec[T] { return stringCodec[T]{} }

type stringCodec[T ~string] struct{}

func (stringCodec[T]) ID() ID                                 { return ID{Name: "string", Version: 1} }
func (stringCodec[T]) FixedSize() int                         { return -1 }
func (stringCodec[T]) Size(v T) (int64, error)                { return int64(len(v)), nil }
func (stringCodec[T]) Append(dst []byte, v T) ([]byte, error) { return append(dst, v...), nil }
func (stringCodec[T]) Decode(src []byte) (T, error)           { return T(src), nil }
func (stringCodec[T]) Compare(a, b T) int                     { return strings.Compare(string(a), string(b)) }
func (stringCodec[T]) traits() traits                         { return traits{total: true, distinct: true, roundTrips: true} }

// Bytes returns the codec of byte slices. The encoding is the slice. A nil slice and an empty slice
// are the same value, decoded as nil. Decode returns a copy whose capacity is its length.
func Bytes() Codec[[]byte] { return bytesCodec{} }

type bytesCodec struct{}

func (bytesCodec) ID() ID                                      { return ID{Name: "bytes", Version: 1} }
func (bytesCodec) FixedSize() int                              { return -1 }
func (bytesCodec) Size(v []byte) (int64, error)                { return int64(len(v)), nil }
func (bytesCodec) Append(dst []byte, v []byte) ([]byte, error) { return append(dst, v...), nil }
func (bytesCodec) Compare(a, b []byte) int                     { return bytes.Compare(a, b) }
func (bytesCodec) normalize(v []byte) []byte {
	if len(v) == 0 {
		return nil
	}
	return slices.Clip(v)
}

func (bytesCodec) traits() traits { return traits{total: true, roundTrips: true} }

func (bytesCodec) Decode(src []byte) ([]byte, error) {
	if len(src) == 0 {
		return nil, nil
	}
	v := make([]byte, len(src))
	copy(v, src)
	return v, nil
}
