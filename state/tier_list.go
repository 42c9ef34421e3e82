package state

import (
	"iter"
	"slices"

	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
)

// tierList is a ListState in a hot tier. See listRow.
type tierList[K, E any] struct {
	tierHandle[K, listRow[E]]
	elementRules[E]
	format  listRowFormat[E]
	counted int64 // bytes of the row that own returned last, as far as Tier.Dirty has them
}

// tierListOf declares a list state in a hot tier.
func tierListOf[K, E any](k *Keyed[K], b backend.TieredBackend, info backend.Info, c codec.Codec[E]) (*tierList[K, E], error) {
	h, err := tierTableOf(k, b, info, listRowFormatOf(c))
	if err != nil {
		return nil, err
	}
	return newTierList(h, c), nil
}

func newTierList[K, E any](h tierHandle[K, listRow[E]], c codec.Codec[E]) *tierList[K, E] {
	return &tierList[K, E]{tierHandle: h, elementRules: elementRulesOf(h.keyed.registry.Limits(), c), format: listRowFormatOf(c)}
}

func (h *tierList[K, E]) Get() ([]E, error) {
	r, err := h.seek()
	if err != nil {
		return nil, err
	}
	if h.isKnownEmpty(r) {
		return nil, nil
	}
	if r == nil || r.tail {
		return h.fetch(r)
	}
	return slices.Clip(r.elements), nil
}

// isKnownEmpty reports whether the list is empty as far as is known without a read. R is the probed
// row, or nil if it is not in the tier.
func (h *tierList[K, E]) isKnownEmpty(r *listRow[E]) bool {
	if r == nil {
		return !h.fits() || !h.mayBeBelow()
	}
	return r.absent
}

// mayBeBelow reports whether the rows below may have elements of the list.
func (h *tierList[K, E]) mayBeBelow() bool { return h.rows.below.MayHold(h.rowKey()) }

// fetch reads the elements below, and keeps and returns the whole list. R is the probed row, or nil
// if it is not in the tier.
func (h *tierList[K, E]) fetch(r *listRow[E]) ([]E, error) {
	below, err := h.readBelow()
	if err != nil {
		return nil, err
	}
	if r == nil {
		if err := h.rows.admit(h.format.rowOf(below)); err != nil {
			return nil, h.wrap(err)
		}
		return slices.Clip(below), nil
	}
	if r, err = h.rows.put(); err != nil { // not write: nothing is written in this epoch
		return nil, h.wrap(err)
	}
	h.tier().Charge(-h.format.size(r))
	r.complete(h.tier(), below, &h.format)
	h.tier().Charge(h.format.size(r))
	return slices.Clip(r.elements), nil
}

// readBelow returns the elements of the list that are below.
func (h *tierList[K, E]) readBelow() (list []E, err error) {
	prefix := h.rowKey()
	err = h.tier().ReadBelow(func() error {
		list = nil
		cursor := h.rows.below.ScanPrefix(prefix, prefix)
		defer cursor.Close()
		for {
			_, chunk, ok, err := cursor.Next()
			if err != nil || !ok {
				return h.wrap(err)
			}
			if list, err = appendElements(list, h.codec, chunk); err != nil {
				return wrapCorrupt(h.table.info.Name, err)
			}
		}
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

func (h *tierList[K, E]) All() iter.Seq2[E, error] {
	return func(yield func(E, error) bool) {
		list, err := h.Get()
		yieldElements(&h.heapHandle, list, err, yield)
	}
}

func (h *tierList[K, E]) Add(e E) error {
	if !h.allFit {
		if err := checkValue(h.keyed, h.codec, e); err != nil {
			return h.wrap(err)
		}
	}
	r, err := h.change()
	if err != nil {
		return err
	}
	if h.normal != nil {
		e = h.normal(e)
	}
	r.begin(h.tier(), &h.format)
	r.elements = append(r.elements, e)
	if h.format.sizeOf != nil {
		r.payload += h.format.sizeOf(e)
	}
	h.changed(r)
	return nil
}

func (h *tierList[K, E]) AddAll(elements []E) error {
	if err := h.check(elements); err != nil || len(elements) == 0 {
		return err
	}
	return h.append(elements)
}

// append adds checked elements to the list.
func (h *tierList[K, E]) append(elements []E) error {
	r, err := h.change()
	if err != nil {
		return err
	}
	elements = h.normalized(elements)
	r.begin(h.tier(), &h.format)
	r.elements = append(r.elements, elements...)
	r.payload += h.format.payloadOf(elements)
	h.changed(r)
	return nil
}

func (h *tierList[K, E]) Set(elements []E) error {
	if len(elements) == 0 {
		return h.Clear()
	}
	if err := h.check(elements); err != nil {
		return err
	}
	r, err := h.change()
	if err != nil {
		return err
	}
	r.replace(h.tier(), slices.Clip(h.normalized(elements)), &h.format)
	h.changed(r)
	return nil
}

func (h *tierList[K, E]) Clear() error {
	r, err := h.seek()
	if err != nil || h.isKnownEmpty(r) {
		return err
	}
	if r, err = h.own(); err != nil {
		return err
	}
	r.replace(h.tier(), nil, &h.format)
	r.clear(h.tier())
	return nil
}

// change returns the row of the current key for a change, without reading the list. The caller ends
// the change with changed.
func (h *tierList[K, E]) change() (*listRow[E], error) {
	if _, err := h.seek(); err != nil {
		return nil, err
	}
	return h.own()
}

// own is change after a seek. It inserts the row if it is not in the tier. The memory that the row
// refers to is not charged until changed.
func (h *tierList[K, E]) own() (*listRow[E], error) {
	r, isNew, err := h.write()
	if err != nil {
		return nil, err
	}
	if h.counted = h.format.size(r); r.written != h.tier().Epoch() {
		h.counted = -h.rows.rowBytes.row
	}
	if isNew {
		r.absent = true
		if h.mayBeBelow() {
			r.mark, r.tail = mark{written: h.tier().Epoch()}, true
		}
	}
	h.tier().Charge(-h.format.size(r))
	return r, nil
}

// changed ends a change that leaves elements in the row.
func (h *tierList[K, E]) changed(r *listRow[E]) {
	r.set(h.tier())
	size := h.format.size(r)
	h.tier().Charge(size)
	h.tier().ChargeWrite(size - h.counted)
}

// check returns an error if an element cannot be added.
func (h *tierList[K, E]) check(elements []E) error {
	return h.wrap(checkElements(h.keyed, h.codec, elements))
}

func (h *tierList[K, E]) MergeNamespaces(target []byte, sources [][]byte) error {
	if err := h.keyed.requireKey(); err != nil {
		return h.wrap(err)
	}
	return mergeLists(h.sibling(), h.sibling(), target, sources)
}

// sibling returns a further handle of the state, in the void namespace.
func (h *tierList[K, E]) sibling() *tierList[K, E] {
	return newTierList(tierHandle[K, listRow[E]]{
		heapHandle: heapHandle[K, listRow[E]]{keyed: h.keyed, table: h.table}, rows: h.rows,
	}, h.codec)
}
