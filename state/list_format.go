package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/weirstate/weir/internal/cow"
	"github.com/weirstate/weir/state/codec"
)

// chunkBytes is the maximum size of a list chunk in bytes. A chunk of one element may be larger.
const chunkBytes = 1 << 20

// listFormat is the format of lists. Each row is a chunk of elements; its suffix is the number of
// the chunk, in 4 bytes.
type listFormat[E any] struct{ codec codec.Codec[E] }

func (c listFormat[E]) rows(list []E, b *rowBuffer, from []byte, yield func(key, value []byte) error) (err error) {
	prefix := len(b.key)
	number := uint32(0)
	b.value, err = c.chunks(list, b.value, func(chunk []byte) error {
		b.key = binary.BigEndian.AppendUint32(b.key[:prefix], number)
		number++
		if bytes.Compare(b.key[prefix:], from) < 0 {
			return nil
		}
		return yield(b.key, chunk)
	})
	return err
}

// chunks calls yield with the chunks of a list, in order. A chunk is valid until yield returns. It
// returns the scratch memory, which may have grown.
func (c listFormat[E]) chunks(list []E, scratch []byte, yield func(chunk []byte) error) (grown []byte, err error) {
	chunk := scratch[:0]
	for _, e := range list {
		before := len(chunk)
		if chunk, err = appendElement(chunk, c.codec, e); err != nil {
			return chunk, err
		}
		if len(chunk) <= chunkBytes || before == 0 {
			continue
		}
		if err := yield(chunk[:before]); err != nil {
			return chunk, err
		}
		chunk = append(chunk[:0], chunk[before:]...)
	}
	if len(chunk) == 0 {
		return chunk, nil
	}
	return chunk, yield(chunk)
}

func (c listFormat[E]) value(list []E, suffix, dst []byte) (value []byte, ok bool, err error) {
	err = c.rows(list, &rowBuffer{}, suffix, func(key, chunk []byte) error {
		if ok = bytes.Equal(key, suffix); ok {
			dst = append(dst, chunk...)
		}
		return errStop
	})
	if errors.Is(err, errStop) {
		err = nil
	}
	return dst, ok, err
}

func (c listFormat[E]) load(list []E, _ *cow.Clock, _, chunk []byte) ([]E, error) {
	if len(chunk) == 0 {
		return nil, fmt.Errorf("a list chunk has no elements")
	}
	return appendElements(list, c.codec, chunk)
}

// appendElements decodes the elements of a chunk and appends them to a list.
func appendElements[E any](list []E, c codec.Codec[E], chunk []byte) ([]E, error) {
	for len(chunk) > 0 {
		payload, rest, err := nextFrame(chunk)
		if err != nil {
			return nil, err
		}
		e, err := c.Decode(payload)
		if err != nil {
			return nil, err
		}
		list, chunk = append(list, e), rest
	}
	return list, nil
}

// appendElement appends an element with its frame to a chunk.
func appendElement[E any](chunk []byte, c codec.Codec[E], e E) ([]byte, error) {
	size, err := c.Size(e)
	if err != nil {
		return chunk, err
	}
	framed := appendFrameHeader(chunk, size)
	out, err := c.Append(framed, e)
	if err == nil && int64(len(out)-len(framed)) != size {
		err = fmt.Errorf("codec %v: Append added %d bytes, but Size returned %d: %w", c.ID(), len(out)-len(framed), size, codec.ErrInvalidCodec)
	}
	if err != nil {
		return chunk, err
	}
	return out, nil
}
