package state

import (
	"fmt"
	"math"

	"github.com/weirstate/weir/state/codec"
)

// The largest key and value, in bytes; exactly 2^31 is legal.
const (
	MaxKeySize   int64 = 1 << 31
	MaxValueSize int64 = 1 << 31
)

// Limits bounds what a backend accepts. The zero value means MaxKeySize and
// MaxValueSize; lower them to bound memory or to reach the border in a test.
type Limits struct {
	// MaxKeySize bounds the encoded composite key, in bytes. Default and
	// ceiling: MaxKeySize.
	MaxKeySize int64
	// MaxValueSize bounds one encoded value, list element or map value, in
	// bytes. Default and ceiling: MaxValueSize.
	MaxValueSize int64
}

func (l Limits) withDefaults() (Limits, error) {
	if l.MaxKeySize == 0 {
		l.MaxKeySize = MaxKeySize
	}
	if l.MaxValueSize == 0 {
		l.MaxValueSize = MaxValueSize
	}
	if l.MaxKeySize < 0 || l.MaxKeySize > MaxKeySize {
		return l, fmt.Errorf("limits: MaxKeySize %d is not in 1 to %d: %w", l.MaxKeySize, MaxKeySize, ErrInvalid)
	}
	if l.MaxValueSize < 0 || l.MaxValueSize > MaxValueSize {
		return l, fmt.Errorf("limits: MaxValueSize %d is not in 1 to %d: %w", l.MaxValueSize, MaxValueSize, ErrInvalid)
	}
	return l, nil
}

// admitsAll says that no value of a codec needs to be checked.
func admitsAll[V any](l Limits, c codec.Codec[V]) bool {
	size, ok := codec.ConstantSize(c)
	return ok && size <= l.MaxValueSize
}

// roomyKey is the size up to which an encoded key fits with the void namespace
// whatever it holds: an escape at most doubles, and ends in two bytes.
func (l Limits) roomyKey() int {
	return int((min(l.MaxKeySize, math.MaxInt32) - HeaderSize - 4) >> 1)
}

func (l Limits) checkKey(size int64) error {
	if size > l.MaxKeySize {
		return &SizeError{Of: ErrKeyTooLarge, Size: size, Limit: l.MaxKeySize}
	}
	return nil
}

func (l Limits) checkValue(size int64) error {
	if size > l.MaxValueSize {
		return &SizeError{Of: ErrValueTooLarge, Size: size, Limit: l.MaxValueSize}
	}
	return nil
}

// checkElements returns the first error that storing the elements would meet.
func checkElements[K, E any](k *Keyed[K], c codec.Codec[E], elements []E) error {
	if err := k.ready(); err != nil || admitsAll(k.registry.limits, c) {
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
	return k.registry.limits.checkValue(size)
}
