package state

import (
	"math"

	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
)

// admitsAll reports whether no value of a codec needs to be checked.
func admitsAll[V any](l Limits, c codec.Codec[V]) bool {
	size, ok := codec.ConstantSize(c)
	return ok && size <= l.MaxValueSize
}

// roomyKey is the size up to which an encoded key fits with the void namespace
// whatever it holds: an escape at most doubles, and ends in two bytes.
func roomyKey(l Limits) int {
	return int((min(l.MaxKeySize, math.MaxInt32) - backend.HeaderSize - 4) >> 1)
}

func checkKeySize(l Limits, size int64) error {
	if size > l.MaxKeySize {
		return &SizeError{Of: ErrKeyTooLarge, Size: size, Limit: l.MaxKeySize}
	}
	return nil
}

func checkValueSize(l Limits, size int64) error {
	if size > l.MaxValueSize {
		return &SizeError{Of: ErrValueTooLarge, Size: size, Limit: l.MaxValueSize}
	}
	return nil
}

// checkElements returns the first error that storing the elements would meet.
func checkElements[K, E any](k *Keyed[K], c codec.Codec[E], elements []E) error {
	if err := k.ready(); err != nil || admitsAll(k.registry.Limits(), c) {
		return err
	}
	for _, e := range elements {
		if err := checkValue(k, c, e); err != nil {
			return err
		}
	}
	return nil
}

// checkValue returns the error that storing a value under the current key would
// meet.
func checkValue[K, V any](k *Keyed[K], c codec.Codec[V], v V) error {
	if err := k.ready(); err != nil {
		return err
	}
	size, err := c.Size(v)
	if err != nil {
		return err
	}
	return checkValueSize(k.registry.Limits(), size)
}
