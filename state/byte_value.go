package state

import (
	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
)

// byteHandle is the part that the handles of all byte states have in common. Key and value
// are scratch memory.
type byteHandle[K any] struct {
	keyed     *Keyed[K]
	backend   backend.ByteBackend
	info      backend.Info
	id        ID
	namespace []byte
	key       []byte
	value     []byte
}

// byteStorage is shared by all handles of one byte state. A type assertion to it
// checks that a further declaration has the same Go types.
type byteStorage[K, V any] struct{ walks listWalks }

// byteHandleOf declares a byte state and returns a handle of it.
func byteHandleOf[K, V any](k *Keyed[K], b backend.ByteBackend, info backend.Info) (h byteHandle[K], shared *byteStorage[K, V], err error) {
	storage, err := bindingOf(k.registry).Declare(info, func(*backend.Info) (any, error) {
		return &byteStorage[K, V]{}, b.AddState(info)
	})
	if err != nil {
		return h, nil, err
	}
	shared, ok := storage.(*byteStorage[K, V])
	if !ok {
		return h, nil, errOtherTypes(info.Name)
	}
	return byteHandle[K]{keyed: k, backend: b, info: info, id: info.ID()}, shared, nil
}

// SetNamespace implements ValueState and the other states.
func (h *byteHandle[K]) SetNamespace(namespace []byte) error {
	if h.keyed.registry.Closed() {
		return h.wrap(ErrClosed)
	}
	h.namespace = append(h.namespace[:0], namespace...)
	return nil
}

// setRowKey sets h.key to the composite key, without suffix, of the current key in the handle's
// namespace. The composite key may exceed the limit; reading it then finds nothing.
func (h *byteHandle[K]) setRowKey() error { return h.setRowKeyIn(h.namespace) }

// setRowKeyIn is setRowKey for another namespace.
func (h *byteHandle[K]) setRowKeyIn(namespace []byte) error {
	if err := h.keyed.requireKey(); err != nil {
		return h.wrap(err)
	}
	h.key = h.keyed.appendRow(h.key[:0], h.id, namespace)
	return nil
}

// setRowKeyForWrite is setRowKeyIn for a write. It returns ErrKeyTooLarge for a composite key above the
// limit.
func (h *byteHandle[K]) setRowKeyForWrite(namespace []byte) error {
	if err := h.setRowKeyIn(namespace); err != nil {
		return err
	}
	return h.wrap(h.keyed.checkFits(namespace, 0))
}

func (h *byteHandle[K]) wrap(err error) error { return wrapState(h.info.Name, err) }

// byteValue is a ValueState over bytes: one row.
type byteValue[K, V any] struct {
	byteHandle[K]
	codec    codec.Codec[V]
	fallback V
}

func (h *byteValue[K, V]) Get() (V, bool, error) {
	if err := h.setRowKey(); err != nil {
		return h.fallback, false, err
	}
	stored, ok, err := h.backend.Get(h.key)
	if err != nil || !ok {
		return h.fallback, false, h.wrap(err)
	}
	v, err := decodeStored(h.codec, stored)
	if err != nil {
		return h.fallback, false, wrapCorrupt(h.info.Name, err)
	}
	return v, true, nil
}

func (h *byteValue[K, V]) Set(v V) error {
	if err := checkValue(h.keyed, h.codec, v); err != nil {
		return h.wrap(err)
	}
	if err := h.setRowKeyForWrite(h.namespace); err != nil {
		return err
	}
	var err error
	if h.value, err = h.codec.Append(append(h.value[:0], storedHeader), v); err != nil {
		return h.wrap(err)
	}
	return h.wrap(h.backend.Set(h.key, h.value))
}

func (h *byteValue[K, V]) Clear() error {
	if err := h.setRowKey(); err != nil {
		return err
	}
	return h.wrap(h.backend.Delete(h.key))
}
