package state

import (
	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
)

// tierValue is a ValueState in a hot tier.
type tierValue[K, V any] struct {
	tierHandle[K, cell[V]]
	codec    codec.Codec[V]
	fallback V
	allFit   bool          // see allValuesFit
	normal   func(V) V     // codec.Normalizer; may be nil
	size     func(V) int64 // see sizeOf; may be nil
}

// tierValueOf declares a value state in a hot tier.
func tierValueOf[K, V any](k *Keyed[K], b backend.TieredBackend, info backend.Info, d ValueDescriptor[V]) (*tierValue[K, V], error) {
	h, err := tierTableOf(k, b, info, cellFormat[V]{d.Codec, sizeOf(d.Codec)})
	if err != nil {
		return nil, err
	}
	return &tierValue[K, V]{
		tierHandle: h, codec: d.Codec, fallback: d.Default, allFit: allValuesFit(k.registry.Limits(), d.Codec),
		normal: codec.Normalizer(d.Codec), size: sizeOf(d.Codec),
	}, nil
}

func (h *tierValue[K, V]) Get() (V, bool, error) {
	c, err := h.seek()
	if err != nil {
		return h.fallback, false, err
	}
	if c == nil {
		return h.fetch()
	}
	if c.absent {
		return h.fallback, false, nil
	}
	return c.value, true, nil
}

// fetch reads the value from below and keeps it, or that there is none.
func (h *tierValue[K, V]) fetch() (V, bool, error) {
	if !h.fits() {
		return h.fallback, false, nil
	}
	stored, ok, err := h.rows.below.Get(h.rowKey())
	if err != nil {
		return h.fallback, false, h.wrap(err)
	}
	c := cell[V]{mark: mark{absent: !ok}}
	if ok {
		if c.value, err = decodeStored(h.codec, stored); err != nil {
			return h.fallback, false, wrapCorrupt(h.table.info.Name, err)
		}
	}
	if err := h.rows.admit(c); err != nil {
		return h.fallback, false, h.wrap(err)
	}
	if !ok {
		return h.fallback, false, nil
	}
	return c.value, true, nil
}

func (h *tierValue[K, V]) Set(v V) error {
	if !h.allFit {
		if err := checkValue(h.keyed, h.codec, v); err != nil {
			return h.wrap(err)
		}
	}
	if h.normal != nil {
		v = h.normal(v)
	}
	if _, err := h.seek(); err != nil {
		return err
	}
	c, isNew, err := h.write()
	if err != nil {
		return err
	}
	if isNew {
		c.mark = unknown(h.tier())
	}
	bytes := int64(0)
	if h.size != nil {
		if !c.absent {
			h.tier().Charge(-h.size(c.value))
		}
		bytes = h.size(v)
		h.tier().Charge(bytes)
	}
	c.value = v
	if c.set(h.tier()) || isNew {
		h.tier().ChargeWrite(h.rows.rowBytes.row + bytes)
	}
	return nil
}

func (h *tierValue[K, V]) Clear() error {
	c, err := h.seek()
	switch {
	case err != nil:
		return err
	case c == nil && !h.fits(), c != nil && c.absent:
		return nil
	}
	c, isNew, err := h.write()
	if err != nil {
		return err
	}
	if isNew {
		c.mark = unknown(h.tier())
		return nil
	}
	if h.size != nil {
		h.tier().Charge(-h.size(c.value))
	}
	var none V
	c.value = none
	c.clear(h.tier())
	return nil
}

// cellFormat is the tierFormat of value, reducing and aggregating states.
type cellFormat[V any] struct {
	codec  codec.Codec[V]
	sizeOf func(V) int64
}

func (f cellFormat[V]) mark(c *cell[V]) *mark { return &c.mark }

func (f cellFormat[V]) size(c *cell[V]) int64 {
	if f.sizeOf == nil || c.absent {
		return 0
	}
	return f.sizeOf(c.value)
}

func (f cellFormat[V]) entries(c *cell[V], _ uint32, b *rowBuffer, yield func(op backend.Op, key, value []byte) error) (err error) {
	if c.absent {
		return yield(backend.OpDelete, b.key, nil)
	}
	if b.value, err = f.codec.Append(append(b.value[:0], storedHeader), c.value); err != nil {
		return err
	}
	return yield(backend.OpSet, b.key, b.value)
}
