package codec

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// Slice returns the codec of slices. The encoding is the number of elements as a uvarint, then the
// elements: raw if elem has a fixed size, else each preceded by its size as a uvarint. A nil slice
// and an empty slice are the same value, decoded as nil. The capacity of a decoded slice is its
// length.
//
// Encodings are ordered by the encoded number of elements first, not as slices are.
func Slice[T any](elem Codec[T]) Codec[[]T] {
	if err := fault(elem); err != nil {
		return newInvalid[[]T]("slice", 1, err)
	}
	return &sliceCodec[T]{
		id:   ID{Name: "slice", Version: 1, Schema: elem.ID().String()},
		elem: elementOf(elem),
	}
}

type sliceCodec[T any] struct {
	id   ID
	elem element[T]
}

func (c *sliceCodec[T]) ID() ID         { return c.id }
func (c *sliceCodec[T]) FixedSize() int { return -1 }

func (c *sliceCodec[T]) traits() traits {
	return traits{total: c.elem.traits.total, roundTrips: c.elem.traits.roundTrips}
}

func (c *sliceCodec[T]) normalize(v []T) []T {
	if len(v) == 0 {
		return nil
	}
	normal := Normalizer(c.elem.codec)
	if normal == nil {
		return slices.Clip(v)
	}
	kept := make([]T, len(v))
	for i := range v {
		kept[i] = normal(v[i])
	}
	return kept
}

func (c *sliceCodec[T]) Size(v []T) (int64, error) {
	size := int64(uvarintSize(uint64(len(v))))
	if c.elem.fixed > 0 && c.elem.traits.total {
		return size + int64(len(v))*int64(c.elem.fixed), nil
	}
	for i := range v {
		n, err := c.elem.size(v[i])
		if err != nil {
			return 0, c.wrap(i, err)
		}
		size += n
	}
	return size, nil
}

func (c *sliceCodec[T]) Append(dst []byte, v []T) ([]byte, error) {
	out := binary.AppendUvarint(dst, uint64(len(v)))
	if c.elem.fixed > 0 {
		out = slices.Grow(out, len(v)*c.elem.fixed)
	}
	for i := range v {
		var err error
		if out, err = c.elem.append(out, v[i]); err != nil {
			return dst, c.wrap(i, err)
		}
	}
	return out, nil
}

func (c *sliceCodec[T]) Decode(src []byte) ([]T, error) {
	count, rest, ok := splitUvarint(src)
	if !ok {
		return nil, malformed("slice", "bad count in %d bytes", len(src))
	}
	if count > uint64(len(rest)/c.elem.minSize()) {
		return nil, malformed("slice", "%d elements in %d bytes", count, len(rest))
	}
	var out []T
	if count > 0 {
		out = make([]T, 0, initialCapacity(count, len(rest), c.elem.memory))
	}
	for i := range int(count) {
		raw, next, ok := c.elem.split(rest)
		if !ok {
			return nil, malformed("slice", "element %d is cut off after %d bytes", i, len(rest))
		}
		v, err := c.elem.codec.Decode(raw)
		if err != nil {
			return nil, c.wrap(i, err)
		}
		out, rest = append(out, v), next
	}
	if len(rest) > 0 {
		return nil, malformed("slice", "%d bytes after the last element", len(rest))
	}
	return slices.Clip(out), nil
}

func (c *sliceCodec[T]) Compare(a, b []T) int {
	if len(a) != len(b) {
		return compareUvarint(uint64(len(a)), uint64(len(b)))
	}
	for i := range a {
		if order := c.elem.compare(a[i], b[i]); order != 0 {
			return order
		}
	}
	return 0
}

// wrap adds the index of an element to an error.
func (c *sliceCodec[T]) wrap(i int, err error) error {
	return fmt.Errorf("codec \"slice\": element %d: %w", i, err)
}
