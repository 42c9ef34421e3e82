package state

import (
	"fmt"

	"github.com/weirstate/weir/internal/cow"
	"github.com/weirstate/weir/state/codec"
)

// heapHandle is the part that the handles of all heap states have in common.
type heapHandle[K, V any] struct {
	keyed       *Keyed[K]
	table       *table[K, V]
	namespaceID uint32 // the handle is one of its holders
}

// SetNamespace implements ValueState and the other states.
func (h *heapHandle[K, V]) SetNamespace(namespace []byte) error {
	t := h.table
	if t.registry.Closed() {
		return h.wrap(ErrClosed)
	}
	if string(t.namespaces.name(h.namespaceID)) == string(namespace) {
		return nil
	}
	namespaceID := t.intern(namespace)
	t.namespaces.release(h.namespaceID)
	h.namespaceID = namespaceID
	return nil
}

// release moves the handle to the void namespace, also if the backend is closed.
func (h *heapHandle[K, V]) release() {
	h.table.namespaces.release(h.namespaceID)
	h.namespaceID = 0
}

// Clear implements ValueState and the other states.
func (h *heapHandle[K, V]) Clear() error {
	if err := h.keyed.requireKey(); err != nil {
		return h.wrap(err)
	}
	h.table.seek(h.keyed, h.namespaceID)
	h.table.remove()
	return nil
}

// find returns a pointer to the value of the current key, or nil if the key has no value.
func (h *heapHandle[K, V]) find() (*V, error) {
	if err := h.keyed.requireKey(); err != nil {
		return nil, h.wrap(err)
	}
	slot, ok := h.table.seek(h.keyed, h.namespaceID)
	if !ok {
		return nil, nil
	}
	return &h.table.rows.At(slot).value, nil
}

// put returns a pointer to the value of the current key, for writing. If the key has no
// value, put inserts the zero value.
func (h *heapHandle[K, V]) put() (*V, error) {
	if err := h.keyed.requireKey(); err != nil {
		return nil, h.wrap(err)
	}
	h.table.seek(h.keyed, h.namespaceID)
	v, err := h.table.put()
	return v, h.wrap(err)
}

func (h *heapHandle[K, V]) wrap(err error) error { return wrapState(h.table.info.Name, err) }

// heapValue is a ValueState on the heap.
type heapValue[K, V any] struct {
	heapHandle[K, V]
	codec    codec.Codec[V]
	fallback V
	allFit   bool      // see allValuesFit
	normal   func(V) V // codec.Normalizer; may be nil
}

func newHeapValue[K, V any](h heapHandle[K, V], d ValueDescriptor[V]) *heapValue[K, V] {
	return &heapValue[K, V]{h, d.Codec, d.Default, allValuesFit(h.table.registry.Limits(), d.Codec), codec.Normalizer(d.Codec)}
}

func (h *heapValue[K, V]) Get() (V, bool, error) {
	v, err := h.find()
	if v == nil {
		return h.fallback, false, err
	}
	return *v, true, nil
}

func (h *heapValue[K, V]) Set(v V) error {
	if !h.allFit {
		if err := checkValue(h.keyed, h.codec, v); err != nil {
			return h.wrap(err)
		}
	}
	into, err := h.put()
	if err != nil {
		return err
	}
	if h.normal != nil {
		v = h.normal(v)
	}
	*into = v
	return nil
}

// scalarFormat is the format of value, reducing and aggregating states: one row without suffix.
type scalarFormat[V any] struct{ codec codec.Codec[V] }

func (s scalarFormat[V]) load(_ V, _ *cow.Clock, suffix, value []byte) (v V, err error) {
	if len(suffix) > 0 {
		return v, fmt.Errorf("the composite key of a value has a suffix of %d bytes, want none", len(suffix))
	}
	return decodeStored(s.codec, value)
}
