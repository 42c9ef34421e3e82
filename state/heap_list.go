package state

import (
	"iter"
	"slices"

	"github.com/weirstate/weir/state/codec"
)

// heapList is a ListState on the heap: a slice that grows in place.
//
// Invariant: an element below the length of the slice is never overwritten. A snapshot keeps
// the slice header of its moment, so it does not see elements that are appended later to the
// same backing array.
type heapList[K, E any] struct {
	heapHandle[K, []E]
	elementRules[E]
}

func newHeapList[K, E any](h heapHandle[K, []E], c codec.Codec[E]) *heapList[K, E] {
	return &heapList[K, E]{h, elementRulesOf(h.table.registry.Limits(), c)}
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
		yieldElements(&h.heapHandle, list, err, yield)
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
	return mergeLists(from, into, target, sources)
}
