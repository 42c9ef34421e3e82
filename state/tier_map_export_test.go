package state

// TierMapBytes returns the memory of the rows of a map state in a hot tier, counted anew, and the
// number of rows. It returns false for a map that is not in a tier.
func TierMapBytes[K any, UK comparable, UV any](m MapState[UK, UV]) (bytes int64, rows int, ok bool) {
	h, ok := m.(*tierMap[K, UK, UV])
	if !ok {
		return 0, 0, false
	}
	t := h.rows
	for slot := range t.slots {
		if !t.holds(slot) {
			continue
		}
		rows++
		t.Hash(slot) // sets t.key
		bytes += t.charge(t.key)
		r := &t.rows.At(slot).value
		if r.entries != nil {
			bytes += h.emptyBytes
		}
		r.entries.ascend(h.keys, start[UK]{}, func(e Entry[UK, cell[UV]]) bool {
			bytes += h.entrySize(e)
			return true
		})
	}
	return bytes, rows, true
}

// TierMapEntries returns the number of entries, absent ones included, that the tier has of the current
// map, and whether they are all of them.
func TierMapEntries[K any, UK comparable, UV any](m MapState[UK, UV]) (n int, complete bool) {
	h := m.(*tierMap[K, UK, UV])
	slot, ok := h.table.seek(h.keyed, h.namespaceID)
	if !ok {
		return 0, false
	}
	r := h.table.rows.At(slot).value
	return r.entries.len(), r.complete
}
