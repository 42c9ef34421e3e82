package state

import (
	"bytes"

	"github.com/weirstate/weir/state/backend"
)

// mapWalk is the live cursor of an iteration over a map in a hot tier.
//
// A complete map is walked as on the heap. For an incomplete one, the walk merges its entries with a
// cursor over the rows below, by encoded user key:
//
//	tier     a=1       c absent  d=4           yields a=1 b=2 d=4 e=5
//	below         b=2  c=3       d=0  e=5      reads b ahead, then c, d, e
//
// The row below that was read ahead stays right while the loop writes, since what it writes is in the
// tier and wins. After entries were dropped from the tier, it may be older than what is below now,
// so the walk opens a new cursor above the user key that it yielded last.
//
// A walk that began at the first entry and has read all rows below, if there are not too many, adds them
// to the tier. The map is then complete.
//
// Invariant: next returns an entry above from, and the row read ahead is above from.
type mapWalk[K any, UK comparable, UV any] struct {
	caller      *tierMap[K, UK, UV]
	key         K
	group       uint16
	namespaceID uint32
	from        UK                  // where the walk continues, unless it is at its beginning
	isAt, above bool                // it continues at or above from; above from
	handle      *tierMap[K, UK, UV] // see at

	cursor backend.Cursor // over the rows below; nil before the first, and if none are below
	drops  uint64         // tierTable.drops when cursor was opened
	opened bool
	ahead  rowBuffer // the row below that was read ahead: composite key and stored value
	prefix int       // size of its key without suffix
	more   bool      // there is a row read ahead

	keeping   bool            // all rows below up to from were read, and kept has those that are not in the tier
	kept      []Entry[UK, UV] // to be added to the tier at the end
	keptBytes int             // size of the rows of kept
	encoded   []byte          // scratch: a user key
}

const (
	// maxKeptEntries and maxKeptBytes limit what a walk adds to the tier. Maps of windows and of
	// sessions are smaller. A walk over a larger map is likely to be the only one before the map
	// would be evicted.
	maxKeptEntries = 256
	maxKeptBytes   = 64 << 10
)

// walk calls yield with the entries from a start on, until yield returns false.
func (h *tierMap[K, UK, UV]) walk(from start[UK], yield func(Entry[UK, UV]) bool) error {
	r, err := h.row()
	if from.key != nil {
		r, err = h.rowFor(*from.key)
	}
	if err != nil || r == nil {
		return err
	}
	w := mapWalk[K, UK, UV]{caller: h, key: h.keyed.key, group: h.keyed.group, namespaceID: h.namespaceID}
	if from.key != nil {
		w.from, w.isAt = *from.key, true
	}
	h.table.namespaces.retain(w.namespaceID)
	defer h.table.namespaces.release(w.namespaceID)
	defer w.close()
	for {
		var moved bool
		if r.complete {
			moved = w.ascend(r, yield)
		} else {
			moved, err = w.merge(r, yield)
		}
		if err != nil || !moved {
			return err
		}
		if r, err = w.reread(); err != nil || r == nil {
			return err
		}
	}
}

// hasMoved reports whether the row has to be read again, given the number of changes when it was read.
func (w *mapWalk[K, UK, UV]) hasMoved(changes uint64) bool {
	t := w.caller.table
	return t.changes != changes || t.registry.Closed()
}

// ascend walks over a complete map, until yield returns false or has changed the table: then it returns
// true.
func (w *mapWalk[K, UK, UV]) ascend(r *mapRow[UK, UV], yield func(Entry[UK, UV]) bool) (moved bool) {
	changes, stopped := w.caller.table.changes, false
	var last UK
	r.entries.ascend(w.caller.keys, w.start(), func(e Entry[UK, cell[UV]]) bool {
		if e.Value.absent {
			return true
		}
		last = e.Key
		stopped = !yield(Entry[UK, UV]{e.Key, e.Value.value})
		moved = w.hasMoved(changes)
		return !stopped && !moved
	})
	if moved = moved && !stopped; moved {
		w.continueAbove(last)
	}
	return moved
}

// merge is ascend for an incomplete map.
func (w *mapWalk[K, UK, UV]) merge(r *mapRow[UK, UV], yield func(Entry[UK, UV]) bool) (moved bool, err error) {
	changes := w.caller.table.changes
	for {
		e, ok, err := w.next(r)
		if err != nil {
			return false, err
		}
		if !ok {
			return false, w.complete()
		}
		w.continueAbove(e.Key)
		if !yield(e) {
			return false, nil
		}
		if w.hasMoved(changes) {
			return true, nil
		}
	}
}

func (w *mapWalk[K, UK, UV]) continueAbove(key UK) {
	w.from, w.isAt, w.above = key, true, true
}

// start returns where the walk continues.
func (w *mapWalk[K, UK, UV]) start() (from start[UK]) {
	if w.isAt {
		from = start[UK]{&w.from, w.above}
	}
	return from
}

// at returns a handle of the walk at its key and namespace. The caller's handle may be at others.
func (w *mapWalk[K, UK, UV]) at() (*tierMap[K, UK, UV], error) {
	if w.handle == nil {
		there := *w.caller
		there.keyed, there.namespaceID, there.tierHandle.key = newKeyed(w.caller.keyed.registry, w.caller.keyed.codec), w.namespaceID, nil
		if err := there.keyed.SetKeyAndGroup(w.key, w.group); err != nil {
			return nil, w.caller.wrap(err)
		}
		w.handle = &there
	}
	return w.handle, nil
}

// reread returns the walk's row after a change of the table.
func (w *mapWalk[K, UK, UV]) reread() (*mapRow[UK, UV], error) {
	at, err := w.at()
	if err != nil {
		return nil, err
	}
	return at.row()
}

// next returns the next entry of an incomplete map.
func (w *mapWalk[K, UK, UV]) next(r *mapRow[UK, UV]) (e Entry[UK, UV], ok bool, err error) {
	if err := w.open(); err != nil {
		return e, false, err
	}
	for {
		if err := w.readAhead(); err != nil {
			return e, false, err
		}
		var first Entry[UK, cell[UV]]
		found := false
		r.entries.ascend(w.caller.keys, w.start(), func(e Entry[UK, cell[UV]]) bool {
			first, found = e, true
			return false
		})
		if !found {
			return w.take()
		}
		order := -1 // of first and the row read ahead
		if w.more {
			if w.encoded, err = w.caller.keys.Append(w.encoded[:0], first.Key); err != nil {
				return e, false, w.caller.wrap(err)
			}
			order = bytes.Compare(w.encoded, w.ahead.key[w.prefix:])
		}
		if order > 0 {
			return w.take()
		}
		if order == 0 {
			w.more = false
		}
		if !first.Value.absent {
			return Entry[UK, UV]{first.Key, first.Value.value}, true, nil
		}
		w.continueAbove(first.Key)
	}
}

// open opens the cursor, or opens it again if entries were dropped from the tier.
func (w *mapWalk[K, UK, UV]) open() error {
	if w.opened && w.drops == w.caller.rows.drops {
		return nil
	}
	at, err := w.at()
	if err != nil {
		return err
	}
	w.close()
	w.opened, w.drops, w.more = true, at.rows.drops, false
	w.keeping, w.kept, w.keptBytes = !w.isAt, nil, 0
	key := at.rowKey()
	w.prefix = len(key)
	if !at.rows.below.MayHold(key) {
		return nil
	}
	if w.isAt {
		if key, err = at.keys.Append(key, w.from); err != nil {
			return at.wrap(err)
		}
		if w.above {
			key = append(key, 0) // the least key above
		}
	}
	w.cursor = at.rows.below.ScanPrefix(key[:w.prefix], key)
	return nil
}

// close closes the cursor.
func (w *mapWalk[K, UK, UV]) close() {
	if w.cursor != nil {
		w.cursor.Close()
		w.cursor = nil
	}
}

// readAhead reads the next row below, if none is read ahead.
func (w *mapWalk[K, UK, UV]) readAhead() error {
	if w.more || w.cursor == nil {
		return nil
	}
	key, stored, ok, err := w.cursor.Next()
	if err != nil {
		return w.caller.wrap(err)
	}
	if !ok {
		w.close()
		return nil
	}
	w.ahead.key, w.ahead.value = append(w.ahead.key[:0], key...), append(w.ahead.value[:0], stored...)
	w.more = true
	return nil
}

// take returns the entry of the row that was read ahead, if there is one.
func (w *mapWalk[K, UK, UV]) take() (e Entry[UK, UV], ok bool, err error) {
	if !w.more {
		return e, false, nil
	}
	w.more = false
	if e.Key, err = w.caller.keys.Decode(w.ahead.key[w.prefix:]); err == nil {
		e.Value, err = decodeStored(w.caller.values, w.ahead.value)
	}
	if err != nil {
		return Entry[UK, UV]{}, false, wrapCorrupt(w.caller.table.info.Name, err)
	}
	w.keep(e)
	return e, true, nil
}

// keep adds an entry to those that the walk adds to the tier at its end.
func (w *mapWalk[K, UK, UV]) keep(e Entry[UK, UV]) {
	if !w.keeping {
		return
	}
	w.keptBytes += len(w.ahead.key) - w.prefix + len(w.ahead.value)
	if w.keeping = len(w.kept) < maxKeptEntries && w.keptBytes <= maxKeptBytes; !w.keeping {
		w.kept = nil
		return
	}
	w.kept = append(w.kept, e)
}

// complete makes the map complete if the walk has kept all rows below.
func (w *mapWalk[K, UK, UV]) complete() error {
	if !w.keeping || w.drops != w.caller.rows.drops {
		return nil
	}
	at, err := w.at()
	if err != nil {
		return err
	}
	if _, ok := at.table.seek(at.keyed, at.namespaceID); !ok {
		return nil
	}
	r, err := at.edit()
	if err != nil || w.drops != at.rows.drops { // edit has trimmed the map
		return err
	}
	r.complete = true
	for _, e := range w.kept {
		if _, ok := r.entries.get(at.keys, e.Key); !ok {
			at.put(r, at.tier(), e.Key, cell[UV]{value: e.Value})
		}
	}
	return nil
}
