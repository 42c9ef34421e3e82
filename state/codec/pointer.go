package codec

import "fmt"

// The first byte of an encoded pointer.
const (
	pointerNil = 0
	pointerSet = 1
)

// Pointer returns the codec of pointers. Nil is encoded as 00, another pointer as 01 and then the
// value that it points to. Nil sorts first; other pointers sort as elem sorts their values.
func Pointer[T any](elem Codec[T]) Codec[*T] {
	if err := fault(elem); err != nil {
		return newInvalid[*T]("pointer", 1, err)
	}
	return &pointerCodec[T]{
		id:   ID{Name: "pointer", Version: 1, Schema: elem.ID().String()},
		elem: elem,
	}
}

type pointerCodec[T any] struct {
	id   ID
	elem Codec[T]
}

func (c *pointerCodec[T]) ID() ID         { return c.id }
func (c *pointerCodec[T]) FixedSize() int { return -1 }

func (c *pointerCodec[T]) traits() traits {
	elem := traitsOf(c.elem)
	return traits{total: elem.total, roundTrips: elem.roundTrips}
}

func (c *pointerCodec[T]) normalizes() bool { return Normalizer(c.elem) != nil }

func (c *pointerCodec[T]) normalize(v *T) *T {
	normal := Normalizer(c.elem)
	if v == nil || normal == nil {
		return v
	}
	pointee := normal(*v)
	return &pointee
}

func (c *pointerCodec[T]) Size(v *T) (int64, error) {
	if v == nil {
		return 1, nil
	}
	n, err := c.elem.Size(*v)
	if err != nil {
		return 0, c.wrap(err)
	}
	return 1 + n, nil
}

func (c *pointerCodec[T]) Append(dst []byte, v *T) ([]byte, error) {
	if v == nil {
		return append(dst, pointerNil), nil
	}
	out, err := c.elem.Append(append(dst, pointerSet), *v)
	if err != nil {
		return dst, c.wrap(err)
	}
	return out, nil
}

func (c *pointerCodec[T]) Decode(src []byte) (*T, error) {
	if len(src) == 0 || src[0] > pointerSet || src[0] == pointerNil && len(src) > 1 {
		return nil, malformed("pointer", "%d bytes, want 00 alone, or 01 and a value", len(src))
	}
	if src[0] == pointerNil {
		return nil, nil
	}
	v, err := c.elem.Decode(src[1:])
	if err != nil {
		return nil, c.wrap(err)
	}
	return &v, nil
}

func (c *pointerCodec[T]) Compare(a, b *T) int {
	switch {
	case a == b:
		return 0
	case a == nil:
		return -1
	case b == nil:
		return 1
	default:
		return c.elem.Compare(*a, *b)
	}
}

// wrap adds the name of the codec to an error of elem.
func (c *pointerCodec[T]) wrap(err error) error {
	return fmt.Errorf("codec \"pointer\": %w", err)
}
