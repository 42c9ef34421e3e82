package state

import (
	"math"

	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
)

// allValuesFit reports whether every value of a codec has an encoding within the limit, so that
// no value needs a check.
func allValuesFit[V any](l Limits, c codec.Codec[V]) bool {
	size, ok := codec.ConstantSize(c)
	return ok && size <= l.MaxValueSize
}

// alwaysFitsBytes returns the largest size of an encoded key whose composite key, with the void
// namespace, is within the limit for any content. Escaping at most doubles the key and adds two
// bytes to it; the void namespace takes two more.
func alwaysFitsBytes(l Limits) int {
	return int((min(l.MaxKeySize, math.MaxInt32) - backend.HeaderSize - 4) >> 1)
}

// checkKeySize returns ErrKeyTooLarge for a composite key of size bytes above the limit.
func checkKeySize(l Limits, size int64) error {
	if size > l.MaxKeySize {
		return &SizeError{Of: ErrKeyTooLarge, Size: size, Limit: l.MaxKeySize}
	}
	return nil
}

// checkValueSize returns ErrValueTooLarge for an encoded value of size bytes above the limit.
func checkValueSize(l Limits, size int64) error {
	if size > l.MaxValueSize {
		return &SizeError{Of: ErrValueTooLarge, Size: size, Limit: l.MaxValueSize}
	}
	return nil
}

// checkElements returns the error of the first element that cannot be stored under the current
// key, or nil if all can.
func checkElements[K, E any](k *Keyed[K], c codec.Codec[E], elements []E) error {
	if err := k.requireKey(); err != nil || allValuesFit(k.registry.Limits(), c) {
		return err
	}
	for _, e := range elements {
		if err := checkValue(k, c, e); err != nil {
			return err
		}
	}
	return nil
}

// checkValue returns an error if the value cannot be stored under the current key: there is no
// current key, the value has no encoding, or the encoding is too large.
func checkValue[K, V any](k *Keyed[K], c codec.Codec[V], v V) error {
	if err := k.requireKey(); err != nil {
		return err
	}
	size, err := c.Size(v)
	if err != nil {
		return err
	}
	return checkValueSize(k.registry.Limits(), size)
}
