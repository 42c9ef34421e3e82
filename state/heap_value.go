package state

import (
	"fmt"

	"github.com/weirstate/weir/internal/cow"
	"github.com/weirstate/weir/state/codec"
)

// heapHandle is what the handles of heap states share: a table, a Keyed and a
// namespace.
type heapHandle[K, V any] struct {
	keyed *Keyed[K]
	table *table[K, V]
	space uint32 // held
}

func (h *heapHandle[K, V]) SetNamespace(namespace []byte) error {
	t := h.table
	if t.registry.Closed() {
		return h.wrap(ErrClosed)
	}
	if string(t.spaces.name(h.space)) == string(namespace) {
		return nil
	}
	space := t.intern(namespace)
	t.spaces.release(h.space)
	h.space = space
	return nil
}

// release takes the handle back to the void namespace, closed or not.
func (h *heapHandle[K, V]) release() {
	h.table.spaces.release(h.space)
	h.space = 0
}

func (h *heapHandle[K, V]) Clear() error {
	if err := h.keyed.ready(); err != nil {
		return h.wrap(err)
	}
	h.table.seek(h.keyed, h.space)
	h.table.remove()
	return nil
}

// find returns the value under the current key, nil if there is none.
func (h *heapHandle[K, V]) find() (*V, error) {
	if err := h.keyed.ready(); err != nil {
		return nil, h.wrap(err)
	}
	slot, ok := h.table.seek(h.keyed, h.space)
	if !ok {
		return nil, nil
	}
	return &h.table.rows.At(slot).value, nil
}

// put returns the value under the current key for writing, zero if it is new.
func (h *heapHandle[K, V]) put() (*V, error) {
	if err := h.keyed.ready(); err != nil {
		return nil, h.wrap(err)
	}
	h.table.seek(h.keyed, h.space)
	v, err := h.table.put()
	return v, h.wrap(err)
}

func (h *heapHandle[K, V]) wrap(err error) error { return wrapState(h.table.info.Name, err) }

// heapValue is a ValueState on the heap.
type heapValue[K, V any] struct {
	heapHandle[K, V]
	codec    codec.Codec[V]
	fallback V
	anySize  bool      // every value is within the limit
	normal   func(V) V // nil if values need not be normalized
}

func newHeapValue[K, V any](h heapHandle[K, V], d ValueDescriptor[V]) *heapValue[K, V] {
	return &heapValue[K, V]{h, d.Codec, d.Default, admitsAll(h.table.registry.Limits(), d.Codec), codec.Normalizer(d.Codec)}
}

func (h *heapValue[K, V]) Get() (V, bool, error) {
	v, err := h.find()
	if v == nil {
		return h.fallback, false, err
	}
	return *v, true, nil
}

func (h *heapValue[K, V]) Set(v V) error {
	if !h.anySize {
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

// scalar is the format of states that store one value: one row without suffix.
type scalar[V any] struct{ codec codec.Codec[V] }

func (s scalar[V]) load(_ V, _ *cow.Clock, suffix, value []byte) (v V, err error) {
	if len(suffix) > 0 {
		return v, fmt.Errorf("value under a key with %d bytes too many", len(suffix))
	}
	return decodeStored(s.codec, value)
}
