package state

import (
	"iter"

	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
)

// tierMap is a MapState in a hot tier: see mapRow.
type tierMap[K any, UK comparable, UV any] struct {
	tierHandle[K, mapRow[UK, UV]]
	mapCodecs[UK, UV]
	total bool // codec.Total(keys): every user key has an encoding
	// The codec.Normalizer of keys and of values; each may be nil.
	normalKey   func(UK) UK
	normalValue func(UV) UV
}

// tierMapOf declares a map state in a hot tier.
func tierMapOf[K any, UK comparable, UV any](k *Keyed[K], b backend.TieredBackend, info backend.Info, d MapDescriptor[UK, UV]) (*tierMap[K, UK, UV], error) {
	codecs := mapCodecsOf(d)
	h, err := tierTableOf(k, b, info, codecs)
	if err != nil {
		return nil, err
	}
	return &tierMap[K, UK, UV]{
		tierHandle: h, mapCodecs: codecs, total: codec.Total(d.Key),
		normalKey: codec.Normalizer(d.Key), normalValue: codec.Normalizer(d.Value),
	}, nil
}

// row returns the row of the current key for reading. A row that is not in the tier becomes resident
// without its entries. It returns nil if the composite key is too long for anything to be stored.
func (h *tierMap[K, UK, UV]) row() (*mapRow[UK, UV], error) {
	r, err := h.seek()
	if r != nil || err != nil || !h.fits() {
		return r, err
	}
	born := mapRow[UK, UV]{mark: mark{absent: true}, complete: !h.rows.below.MayHold(h.rowKey())}
	if err := h.rows.admit(born); err != nil {
		return nil, h.wrap(err)
	}
	return &h.table.rows.At(h.table.lastSeek.slot).value, nil
}

// rowFor is row for an operation on a user key. It returns the codec's error if the user key has no
// encoding.
func (h *tierMap[K, UK, UV]) rowFor(key UK) (*mapRow[UK, UV], error) {
	r, err := h.row()
	if err == nil && !h.total {
		_, err = h.keys.Size(key)
		err = h.wrap(err)
	}
	return r, err
}

// edit returns the resident probed row for changes that leave the map unchanged. It clones entries that
// a freeze shares.
func (h *tierMap[K, UK, UV]) edit() (*mapRow[UK, UV], error) {
	r, err := h.table.put()
	if err != nil {
		return nil, h.wrap(err)
	}
	h.own(r)
	return r, nil
}

// writeRow is edit for a write.
func (h *tierMap[K, UK, UV]) writeRow() (*mapRow[UK, UV], error) {
	r, _, err := h.write()
	if err != nil {
		return nil, err
	}
	r.begin(h.tier())
	h.own(r)
	return r, nil
}

// own makes the entries of a row mutable, and trims them.
func (h *tierMap[K, UK, UV]) own(r *mapRow[UK, UV]) {
	if r.entries == nil {
		r.charge(h.tier(), h.emptyBytes)
	}
	r.entries = r.entries.mutable(h.table.declaredOn.clock)
	if h.trim(r, h.tier()) {
		h.rows.drops++
	}
}

// entryKey returns the composite key of the entry with a user key, and the size of its part without
// suffix. It is valid until the next call.
func (h *tierMap[K, UK, UV]) entryKey(key UK) (composite []byte, prefix int, err error) {
	prefix = len(h.rowKey())
	h.key, err = h.keys.Append(h.key, key)
	return h.key, prefix, h.wrap(err)
}

// tooLong reports whether a composite key is longer than any that is stored.
func (h *tierMap[K, UK, UV]) tooLong(composite []byte) bool {
	return int64(len(composite)) > h.table.registry.Limits().MaxKeySize
}

func (h *tierMap[K, UK, UV]) Get(key UK) (value UV, ok bool, err error) {
	r, err := h.rowFor(key)
	if err != nil || r == nil {
		return value, false, err
	}
	c, ok := r.entries.get(h.keys, key)
	if !ok && !r.complete {
		if c, err = h.fetch(key); err != nil {
			return value, false, err
		}
		ok = true
	}
	return c.value, ok && !c.absent, nil
}

func (h *tierMap[K, UK, UV]) Contains(key UK) (bool, error) {
	_, ok, err := h.Get(key)
	return ok, err
}

// fetch reads an entry of the probed row from below and keeps it, or that there is none.
func (h *tierMap[K, UK, UV]) fetch(key UK) (c cell[UV], err error) {
	c.absent = true
	composite, _, err := h.entryKey(key)
	if err != nil || h.tooLong(composite) {
		return c, err
	}
	stored, ok, err := h.rows.below.Get(composite)
	if err != nil {
		return c, h.wrap(err)
	}
	if ok {
		c.absent = false
		if c.value, err = decodeStored(h.values, stored); err != nil {
			return c, wrapCorrupt(h.table.info.Name, err)
		}
	}
	r, err := h.edit()
	if err != nil {
		return c, err
	}
	h.put(r, h.tier(), h.normalizedKey(key), c)
	return c, nil
}

func (h *tierMap[K, UK, UV]) normalizedKey(key UK) UK {
	if h.normalKey == nil {
		return key
	}
	return h.normalKey(key)
}

func (h *tierMap[K, UK, UV]) Len() (n int, err error) {
	r, err := h.row()
	switch {
	case err != nil || r == nil:
		return 0, err
	case r.complete:
		return r.values(), nil
	}
	err = h.walk(start[UK]{}, func(Entry[UK, UV]) bool { n++; return true })
	return n, err
}

func (h *tierMap[K, UK, UV]) IsEmpty() (empty bool, err error) {
	r, err := h.row()
	switch {
	case err != nil:
		return false, err
	case r == nil || r.complete || !r.absent:
		return r == nil || r.absent, nil
	}
	empty = true
	err = h.walk(start[UK]{}, func(Entry[UK, UV]) bool { empty = false; return false })
	return empty && err == nil, err
}

func (h *tierMap[K, UK, UV]) Put(key UK, value UV) error {
	if err := h.check(key, value); err != nil {
		return err
	}
	return h.store(key, value)
}

func (h *tierMap[K, UK, UV]) PutAll(entries map[UK]UV) error {
	if err := putAll(entries, h.check, h.store); err != nil {
		return err
	}
	return h.wrap(h.keyed.requireKey())
}

// check returns an error if the entry cannot be stored.
func (h *tierMap[K, UK, UV]) check(key UK, value UV) error {
	return h.wrap(checkEntry(h.keyed, h.table.namespaces.name(h.namespaceID), h.keys, h.values, key, value))
}

// store puts a checked entry into the map.
func (h *tierMap[K, UK, UV]) store(key UK, value UV) error {
	if _, err := h.row(); err != nil {
		return err
	}
	r, err := h.writeRow()
	if err != nil {
		return err
	}
	if h.normalValue != nil {
		value = h.normalValue(value)
	}
	key = h.normalizedKey(key)
	// The first guess of the mark spares a search: all entries of a fresh row are fresh, and
	// most entries of other rows are not.
	c := cell[UV]{value, mark{written: h.tier().Epoch(), fresh: r.fresh}}
	old, ok := h.put(r, h.tier(), key, c)
	switch {
	case !ok && r.complete:
		old.mark = mark{absent: true}
	case !ok:
		old.mark = unknown(h.tier())
	}
	if old.mark.set(h.tier()) || !ok {
		h.tier().ChargeWrite(h.entrySize(Entry[UK, cell[UV]]{key, c}))
	}
	if old.mark != c.mark {
		c.mark = old.mark
		h.put(r, h.tier(), key, c)
	}
	return nil
}

func (h *tierMap[K, UK, UV]) Remove(key UK) error {
	r, err := h.rowFor(key)
	if err != nil || r == nil {
		return err
	}
	old, ok := r.entries.get(h.keys, key)
	if ok && old.absent || !ok && r.complete {
		return nil
	}
	gone := cell[UV]{mark: old.mark}
	if ok {
		gone.clear(h.tier())
	} else {
		composite, _, err := h.entryKey(key)
		if err != nil || h.tooLong(composite) {
			return err
		}
		gone.mark = unknown(h.tier())
	}
	if r, err = h.writeRow(); err != nil {
		return err
	}
	if gone.written > old.written {
		h.tier().ChargeWrite(h.entryBytes)
	}
	if r.complete && gone.written == 0 {
		h.remove(r, h.tier(), key, old)
	} else {
		h.put(r, h.tier(), h.normalizedKey(key), gone)
	}
	return nil
}

func (h *tierMap[K, UK, UV]) Clear() error {
	r, err := h.row()
	if err != nil || r == nil || r.isEmpty() {
		return err
	}
	if r, _, err = h.write(); err != nil {
		return err
	}
	r.begin(h.tier())
	r.clear(h.tier())
	return nil
}

func (h *tierMap[K, UK, UV]) Keys() iter.Seq2[UK, error]   { return keysOf(h.All()) }
func (h *tierMap[K, UK, UV]) Values() iter.Seq2[UV, error] { return valuesOf(h.All()) }

func (h *tierMap[K, UK, UV]) All() iter.Seq2[Entry[UK, UV], error] {
	return h.from(start[UK]{})
}

func (h *tierMap[K, UK, UV]) From(key UK) iter.Seq2[Entry[UK, UV], error] {
	return h.from(start[UK]{key: &key})
}

// from iterates over the entries from a start on.
func (h *tierMap[K, UK, UV]) from(from start[UK]) iter.Seq2[Entry[UK, UV], error] {
	return func(yield func(Entry[UK, UV], error) bool) {
		if err := h.walk(from, func(e Entry[UK, UV]) bool { return yield(e, nil) }); err != nil {
			yield(Entry[UK, UV]{}, err)
		}
	}
}
