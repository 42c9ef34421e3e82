package codec

// Bool returns the codec of booleans: false is 00, true is 01.
func Bool[T ~bool]() Codec[T] { return boolCodec[T]{} }

type boolCodec[T ~bool] struct{}

func (boolCodec[T]) ID() ID                { return ID{Name: "bool", Version: 1} }
func (boolCodec[T]) FixedSize() int        { return 1 }
func (boolCodec[T]) Size(T) (int64, error) { return 1, nil }
func (boolCodec[T]) traits() traits        { return traits{total: true, distinct: true, roundTrips: true} }

func (boolCodec[T]) Append(dst []byte, v T) ([]byte, error) {
	if v {
		return append(dst, 1), nil
	}
	return append(dst, 0), nil
}

func (boolCodec[T]) Decode(src []byte) (T, error) {
	if len(src) != 1 || src[0] > 1 {
		return false, malformed("bool", "%d bytes, want one byte of 00 or 01", len(src))
	}
	return src[0] == 1, nil
}

func (boolCodec[T]) Compare(a, b T) int {
	switch {
	case a == b:
		return 0
	case bool(b):
		return -1
	default:
		return 1
	}
}
