package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/weirstate/weir/internal/cow"
	"github.com/weirstate/weir/state/codec"
)

// heapList is a ListState on the heap: a slice that grows in place.
//
// Invariant: an element below the length of the slice is never overwritten. A snapshot keeps
// the slice header of its moment, so it does not see elements that are appended later to the
// same backing array.
type heapList[K, E any] struct {
	heapHandle[K, []E]
	codec  codec.Codec[E]
	allFit bool      // see allValuesFit
	normal func(E) E // codec.Normalizer; may be nil
}

func newHeapList[K, E any](h heapHandle[K, []E], c codec.Codec[E]) *heapList[K, E] {
	return &heapList[K, E]{h, c, allValuesFit(h.table.registry.Limits(), c), codec.Normalizer(c)}
}

func (h *heapList[K, E]) Get() ([]E, error) {
	list, err := h.find()
	if list == nil {
		return nil, err
	}
	return slices.Clip(*list), nil
}

func (h *heapList[K, E]) All() iter.Seq2[E, error] {
	return func(yield func(E, error) bool) {
		list, err := h.Get()
		for _, e := range list {
			if !yield(e, nil) {
				return
			}
			if h.table.registry.Closed() {
				err = h.wrap(ErrClosed)
				break
			}
		}
		if err != nil {
			var none E
			yield(none, err)
		}
	}
}

func (h *heapList[K, E]) Add(e E) error {
	if !h.allFit {
		if err := checkValue(h.keyed, h.codec, e); err != nil {
			return h.wrap(err)
		}
	}
	list, err := h.put()
	if err != nil {
		return err
	}
	if h.normal != nil {
		e = h.normal(e)
	}
	*list = append(*list, e)
	return nil
}

func (h *heapList[K, E]) AddAll(elements []E) error {
	if err := h.check(elements); err != nil || len(elements) == 0 {
		return err
	}
	return h.append(elements)
}

// append adds checked elements to the list.
func (h *heapList[K, E]) append(elements []E) error {
	list, err := h.put()
	if err != nil {
		return err
	}
	*list = append(*list, h.normalized(elements)...)
	return nil
}

func (h *heapList[K, E]) Set(elements []E) error {
	if len(elements) == 0 {
		return h.Clear()
	}
	if err := h.check(elements); err != nil {
		return err
	}
	list, err := h.put()
	if err != nil {
		return err
	}
	*list = slices.Clip(h.normalized(elements))
	return nil
}

// normalized returns the elements in the form that Decode would return.
func (h *heapList[K, E]) normalized(elements []E) []E {
	if h.normal == nil {
		return elements
	}
	kept := make([]E, len(elements))
	for i, e := range elements {
		kept[i] = h.normal(e)
	}
	return kept
}

// check returns an error if an element cannot be added.
func (h *heapList[K, E]) check(elements []E) error {
	return h.wrap(checkElements(h.keyed, h.codec, elements))
}

func (h *heapList[K, E]) MergeNamespaces(target []byte, sources [][]byte) error {
	if err := h.keyed.requireKey(); err != nil {
		return h.wrap(err)
	}
	from := newHeapList(heapHandle[K, []E]{keyed: h.keyed, table: h.table}, h.codec)
	into := newHeapList(heapHandle[K, []E]{keyed: h.keyed, table: h.table}, h.codec)
	defer from.release()
	defer into.release()
	if err := into.SetNamespace(target); err != nil {
		return err
	}
	for _, source := range distinctSources(target, sources) {
		if err := from.SetNamespace(source); err != nil {
			return err
		}
		list, err := from.Get()
		if err != nil {
			return err
		}
		if len(list) == 0 {
			continue
		}
		if err := into.append(list); err != nil {
			return err
		}
		if err := from.Clear(); err != nil {
			return err
		}
	}
	return nil
}

// chunkBytes is the maximum size of a list chunk in bytes. A chunk of one element may be larger.
const chunkBytes = 1 << 20

// listFormat is the format of lists. Each row is a chunk of elements; its suffix is the number of
// the chunk, in 4 bytes.
type listFormat[E any] struct{ codec codec.Codec[E] }

func (c listFormat[E]) rows(list []E, b *rowBuffer, from []byte, yield func(key, value []byte) error) (err error) {
	prefix := len(b.key)
	b.value = b.value[:0]
	chunks := uint32(0)
	flush := func() error {
		b.key = binary.BigEndian.AppendUint32(b.key[:prefix], chunks)
		chunks++
		var err error
		if bytes.Compare(b.key[prefix:], from) >= 0 {
			err = yield(b.key, b.value)
		}
		b.value = b.value[:0]
		return err
	}
	for _, e := range list {
		before := len(b.value)
		if b.value, err = appendElement(b.value, c.codec, e); err != nil {
			return err
		}
		if len(b.value) <= chunkBytes || before == 0 {
			continue
		}
		element := slices.Clone(b.value[before:])
		b.value = b.value[:before]
		if err := flush(); err != nil {
			return err
		}
		b.value = append(b.value, element...)
	}
	return flush()
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
