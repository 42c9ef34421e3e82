package state

import (
	"bytes"
	"iter"

	"github.com/weirstate/weir/state/codec"
)

// byteList is a ListState of a ByteBackend. It appends chunks of framed elements; a chunk has
// up to chunkBytes, or one larger element.
type byteList[K, E any] struct {
	byteHandle[K]
	codec codec.Codec[E]
	walks *listWalks
	one   [1]E // scratch for Add
}

func (h *byteList[K, E]) Get() (list []E, err error) {
	for e, err := range h.All() {
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return list[:len(list):len(list)], nil
}

func (h *byteList[K, E]) All() iter.Seq2[E, error] {
	return func(yield func(E, error) bool) {
		if err := h.walk(func(e E) bool { return yield(e, nil) }); err != nil {
			var none E
			yield(none, err)
		}
	}
}

// walk calls yield with each element until yield returns false. It holds one chunk in memory;
// after the loop has written to the list, it holds all remaining chunks (see listWalks).
func (h *byteList[K, E]) walk(yield func(E) bool) error {
	if err := h.setRowKey(); err != nil {
		return err
	}
	walk := h.walks.begin(h.key, h.backend)
	defer h.walks.end(walk)
	for {
		chunk, err := walk.next()
		if err != nil || len(chunk) == 0 {
			return h.wrap(err)
		}
		for len(chunk) > 0 {
			payload, rest, err := nextFrame(chunk)
			if err != nil {
				return wrapCorrupt(h.info.Name, err)
			}
			e, err := h.codec.Decode(payload)
			if err != nil {
				return wrapCorrupt(h.info.Name, err)
			}
			if chunk = rest; !yield(e) {
				return nil
			}
			if h.keyed.registry.Closed() {
				return h.wrap(ErrClosed)
			}
		}
	}
}

func (h *byteList[K, E]) Add(e E) error {
	h.one[0] = e
	return h.AddAll(h.one[:])
}

func (h *byteList[K, E]) AddAll(elements []E) error {
	if err := h.check(elements); err != nil || len(elements) == 0 {
		return err
	}
	if err := h.setRowKeyForWrite(h.namespace); err != nil {
		return err
	}
	return h.append(elements)
}

func (h *byteList[K, E]) Set(elements []E) error {
	if len(elements) == 0 {
		return h.Clear()
	}
	if err := h.check(elements); err != nil {
		return err
	}
	if err := h.setRowKeyForWrite(h.namespace); err != nil {
		return err
	}
	if err := h.remove(h.key); err != nil {
		return h.wrap(err)
	}
	return h.append(elements)
}

func (h *byteList[K, E]) Clear() error {
	if err := h.setRowKey(); err != nil {
		return err
	}
	return h.wrap(h.remove(h.key))
}

// remove deletes the rows of the list under a prefix.
func (h *byteList[K, E]) remove(prefix []byte) error {
	if err := h.walks.detach(prefix); err != nil {
		return err
	}
	return h.backend.DeletePrefix(prefix)
}

// check returns an error if an element cannot be added.
func (h *byteList[K, E]) check(elements []E) error {
	return h.wrap(checkElements(h.keyed, h.codec, elements))
}

// append appends checked elements to the list under h.key.
func (h *byteList[K, E]) append(elements []E) (err error) {
	if err := h.walks.detach(h.key); err != nil {
		return h.wrap(err)
	}
	h.value, err = listFormat[E]{h.codec}.chunks(elements, h.value, func(chunk []byte) error {
		return h.backend.Append(h.key, chunk)
	})
	return h.wrap(err)
}

func (h *byteList[K, E]) MergeNamespaces(target []byte, sources [][]byte) error {
	if err := h.setRowKeyIn(target); err != nil {
		return err
	}
	into := bytes.Clone(h.key)
	for _, source := range distinctSources(target, sources) {
		if err := h.setRowKeyIn(source); err != nil {
			return err
		}
		if err := h.move(into, h.key, h.keyed.checkFits(target, 0)); err != nil {
			return h.wrap(err)
		}
	}
	return nil
}

// move appends the chunks under the prefix from to the list under the prefix into, without
// decoding them, and deletes them from the source. If refusal is not nil and there are chunks to
// move, it returns refusal and changes nothing.
func (h *byteList[K, E]) move(into, from []byte, refusal error) error {
	if err := h.walks.detach(into); err != nil {
		return err
	}
	cursor := h.backend.ScanPrefix(from, from)
	defer cursor.Close()
	for {
		_, chunk, ok, err := cursor.Next()
		switch {
		case err != nil:
			return err
		case !ok:
			return h.remove(from)
		case refusal != nil:
			return refusal
		}
		h.value = append(h.value[:0], chunk...)
		if err := h.backend.Append(into, h.value); err != nil {
			return err
		}
	}
}
