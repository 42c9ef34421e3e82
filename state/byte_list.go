package state

import (
	"iter"

	"github.com/weirstate/weir/state/codec"
)

// byteList is a ListState over bytes: appends of framed elements, in pieces of
// about chunkBytes.
type byteList[K, E any] struct {
	byteHandle[K]
	codec codec.Codec[E]
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

// walk decodes chunk after chunk. It holds one chunk in memory, its own copy,
// so that the loop may use the backend.
func (h *byteList[K, E]) walk(yield func(E) bool) error {
	if err := h.row(); err != nil {
		return err
	}
	cursor := h.backend.ScanPrefix(h.key)
	defer cursor.Close()
	var chunk []byte
	for {
		_, value, ok, err := cursor.Next()
		if err != nil || !ok {
			return h.wrap(err)
		}
		chunk = append(chunk[:0], value...)
		for rest := chunk; len(rest) > 0; {
			payload, behind, err := nextFrame(rest)
			if err != nil {
				return wrapCorrupt(h.info.Name, err)
			}
			e, err := h.codec.Decode(payload)
			if err != nil {
				return wrapCorrupt(h.info.Name, err)
			}
			if rest = behind; !yield(e) {
				return nil
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
	if err := h.writable(h.namespace); err != nil {
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
	if err := h.writable(h.namespace); err != nil {
		return err
	}
	if err := h.backend.DeletePrefix(h.key); err != nil {
		return h.wrap(err)
	}
	return h.append(elements)
}

func (h *byteList[K, E]) Clear() error { return h.clearRows() }

// check returns the error that adding the elements would meet.
func (h *byteList[K, E]) check(elements []E) error {
	return h.wrap(checkElements(h.keyed, h.codec, elements))
}

// append adds checked elements to the list under h.key.
func (h *byteList[K, E]) append(elements []E) (err error) {
	h.value = h.value[:0]
	for i, e := range elements {
		if h.value, err = appendElement(h.value, h.codec, e); err != nil {
			return h.wrap(err)
		}
		if len(h.value) < chunkBytes && i < len(elements)-1 {
			continue
		}
		if err := h.backend.Append(h.key, h.value); err != nil {
			return h.wrap(err)
		}
		h.value = h.value[:0]
	}
	return nil
}

func (h *byteList[K, E]) MergeNamespaces(target []byte, sources [][]byte) error {
	if err := h.writable(target); err != nil {
		return err
	}
	into := append([]byte(nil), h.key...)
	for _, source := range distinctSources(target, sources) {
		if err := h.rowIn(source); err != nil {
			return err
		}
		if err := h.move(into, h.key); err != nil {
			return h.wrap(err)
		}
	}
	return nil
}

// move puts what is under one prefix behind what is under another, as bytes.
func (h *byteList[K, E]) move(into, from []byte) error {
	cursor := h.backend.ScanPrefix(from)
	defer cursor.Close()
	for {
		_, chunk, ok, err := cursor.Next()
		if err != nil {
			return err
		}
		if !ok {
			return h.backend.DeletePrefix(from)
		}
		h.value = append(h.value[:0], chunk...)
		if err := h.backend.Append(into, h.value); err != nil {
			return err
		}
	}
}
