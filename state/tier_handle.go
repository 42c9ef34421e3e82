package state

import "github.com/weirstate/weir/state/backend"

// tierHandle is the part that the handles of all states in a hot tier have in common.
type tierHandle[K, R any] struct {
	heapHandle[K, R]
	rows *tierTable[K, R] // its table is heapHandle.table
	key  []byte           // scratch: a composite key
}

// tier returns the tier of the table.
func (h *tierHandle[K, R]) tier() *backend.Tier { return h.rows.tier }

// seek makes the current key in the handle's namespace the probed row. It returns the row for
// reading, or nil if it is not in the tier. It makes room first, so that the row stays where it is
// until the next seek.
func (h *tierHandle[K, R]) seek() (*R, error) {
	if err := h.keyed.requireKey(); err != nil {
		return nil, h.wrap(err)
	}
	if err := h.tier().MakeRoom(); err != nil {
		return nil, h.wrap(err)
	}
	if h.rows.unswept >= sweptAtOnce {
		h.rows.sweep()
	}
	slot, ok := h.table.seek(h.keyed, h.namespaceID)
	if !ok {
		return nil, nil
	}
	h.rows.use(slot)
	return &h.table.rows.At(slot).value, nil
}

// write returns the probed row for writing, and inserts it if it is not in the tier: then isNew is
// true and the row is zero. The caller must have called seek.
func (h *tierHandle[K, R]) write() (r *R, isNew bool, err error) {
	t := h.rows
	if isNew = t.lastSeek.slot == backend.Probed; isNew {
		r, err = t.insertRow()
	} else {
		r, err = t.put()
	}
	if err != nil {
		return nil, false, h.wrap(err)
	}
	t.touch(t.lastSeek.slot)
	t.tier.Written()
	return r, isNew, nil
}

// rowKey returns the composite key, without suffix, of the current key in the handle's namespace.
// It is valid until the next call.
func (h *tierHandle[K, R]) rowKey() []byte {
	h.key = h.keyed.appendRow(h.key[:0], h.table.info.ID(), h.table.namespaces.name(h.namespaceID))
	return h.key
}

// fits reports whether the composite key of the current key in the handle's namespace is within the
// limit. Nothing is stored under longer ones.
func (h *tierHandle[K, R]) fits() bool {
	return h.keyed.checkFits(h.table.namespaces.name(h.namespaceID), 0) == nil
}
