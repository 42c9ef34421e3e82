package state

import "bytes"

func (h *tierMap[K, UK, UV]) Floor(key UK) (e Entry[UK, UV], ok bool, err error) {
	r, err := h.rowFor(key)
	if err != nil || r == nil {
		return e, false, err
	}
	r.entries.descend(h.keys, key, func(found Entry[UK, cell[UV]]) bool {
		if ok = !found.Value.absent; ok {
			e = Entry[UK, UV]{found.Key, found.Value.value}
		}
		return !ok
	})
	if r.complete {
		return e, ok, nil
	}
	return h.floorBelow(r, key, e, ok)
}

// floorBelow is Floor of an incomplete map. Ok reports whether the tier has an entry with a value at or
// below key; e is the last of them.
func (h *tierMap[K, UK, UV]) floorBelow(r *mapRow[UK, UV], key UK, e Entry[UK, UV], ok bool) (Entry[UK, UV], bool, error) {
	composite, prefix, err := h.entryKey(key)
	if err != nil {
		return Entry[UK, UV]{}, false, err
	}
	var last []byte // the encoding of e.Key
	if ok {
		if last, err = h.keys.Append(nil, e.Key); err != nil {
			return Entry[UK, UV]{}, false, h.wrap(err)
		}
	}
	found, stored, more, err := h.rows.below.Floor(composite[:prefix], composite)
	for err == nil && more && (!ok || bytes.Compare(found[prefix:], last) > 0) {
		var floor Entry[UK, UV]
		if floor.Key, err = h.keys.Decode(found[prefix:]); err != nil {
			return floor, false, wrapCorrupt(h.table.info.Name, err)
		}
		if _, hidden := r.entries.get(h.keys, floor.Key); !hidden {
			if floor.Value, err = decodeStored(h.values, stored); err != nil {
				return Entry[UK, UV]{}, false, wrapCorrupt(h.table.info.Name, err)
			}
			return floor, true, nil
		}
		found, stored, more, err = h.rowBefore(bytes.Clone(found), prefix)
	}
	if err != nil || !ok {
		return Entry[UK, UV]{}, false, h.wrap(err)
	}
	return e, true, nil
}

// rowBefore returns the row of a map below with the greatest composite key before the given one, which
// it overwrites. Prefix is the size of the part without suffix.
//
// Bytes have no greatest string before another one. For suffixes of one size, the one whose last byte
// is less by one takes its place. For others, rowBefore appends bytes 0xff to it and scans the
// rows, hardly ever any, that are between the two.
func (h *tierMap[K, UK, UV]) rowBefore(key []byte, prefix int) (found, stored []byte, ok bool, err error) {
	below, last := h.rows.below, len(key)-1
	if last < prefix {
		return nil, nil, false, nil
	}
	if key[last] == 0 {
		return below.Floor(key[:prefix], key[:last])
	}
	before := bytes.Clone(key)
	before[last]--
	if h.keys.FixedSize() >= 0 {
		return below.Floor(key[:prefix], before)
	}
	before = append(before, "\xff\xff\xff\xff\xff\xff\xff\xff"...)
	if found, stored, ok, err = h.lastBetween(before, key, prefix); ok || err != nil {
		return found, stored, ok, err
	}
	return below.Floor(key[:prefix], before)
}

// lastBetween returns the last row below whose composite key is at or above one and below another.
func (h *tierMap[K, UK, UV]) lastBetween(from, to []byte, prefix int) (found, stored []byte, ok bool, err error) {
	cursor := h.rows.below.ScanPrefix(from[:prefix], from)
	defer cursor.Close()
	for {
		key, value, more, err := cursor.Next()
		if err != nil || !more || bytes.Compare(key, to) >= 0 {
			return found, stored, ok, err
		}
		found, stored, ok = append(found[:0], key...), append(stored[:0], value...), true
	}
}
