package state

import "github.com/weirstate/weir/state/backend"

// mapRow is the map of a key and namespace in a hot tier.
//
// Problem: a map may have far more entries below than are in use. To read all of them at the first
// access, or to write all of them for one change, would cost more than no tier at all.
//
// Idea: each entry has a mark of its own, and the row knows whether entries are missing from it. An
// entry with the mark absent is a removal, or stands for a user key that was looked up below and not
// found.
//
//	            entries in the tier              a user key without an entry here
//	complete    all entries of the map           is not in the map
//	incomplete  those that were read or written  may be below
//
// A row begins complete if a filter knows that nothing is below, and becomes complete by Clear, or by an
// iteration that has read all entries below, if these are few. It becomes incomplete if trim drops
// entries.
//
//	Get, Floor, iterations    entries here win over those below; absent ones hide them
//	Put, Remove               write an entry here and read nothing
//	Clear                     drops all entries; cleared is the epoch that deletes them below
//
// Invariant: an entry that was written after the last epoch installed is here. So is every entry of a
// row whose Clear is not installed: such a row is complete.
//
// Invariant: mark.written is the newest epoch in which an entry was written or the map was cleared.
// mark.absent is true if no entry here has a value. mark.fresh is true if the map was empty at the
// end of the epoch before and nothing of it is below or pending.
//
// Cost: an entry takes eight bytes more than on the heap.
type mapRow[UK, UV any] struct {
	entries *sortedMap[UK, cell[UV]]
	bytes   int64 // memory of entries
	mark
	cleared  uint32 // the epoch that has to delete the rows below; 0: none
	absences uint32 // number of entries that are absent
	trimAt   uint32 // number of entries at which trim looks for those that can be dropped
	complete bool   // every entry of the map is here
}

// begin prepares the row for a write in the current epoch.
func (r *mapRow[UK, UV]) begin(t *backend.Tier) {
	if r.written != t.Epoch() {
		r.fresh = r.isEmpty() && t.IsInstalled(r.written)
		r.written = t.Epoch()
	}
}

// isEmpty reports whether the map is known to be empty.
func (r *mapRow[UK, UV]) isEmpty() bool { return r.complete && r.absent }

// values returns the number of entries with a value.
func (r *mapRow[UK, UV]) values() int { return r.entries.len() - int(r.absences) }

// clear records a Clear in the current epoch, for which begin was called.
func (r *mapRow[UK, UV]) clear(t *backend.Tier) {
	r.charge(t, -r.bytes)
	r.entries, r.absences, r.absent, r.complete = nil, 0, true, true
	if r.cleared = t.Epoch(); r.fresh {
		r.written, r.cleared, r.fresh = 0, 0, false
	}
}

// charge adds to the memory of the entries.
func (r *mapRow[UK, UV]) charge(t *backend.Tier, bytes int64) {
	r.bytes += bytes
	t.Charge(bytes)
}

const (
	// minTrim is the number of further entries after which trim looks again for entries that
	// can be dropped. A small map is read as fast with that many absent entries.
	minTrim = 16
	// maxCleanEntries is the number of entries above which trim drops those that are as below.
	// A smaller row waits until all of it can be evicted.
	maxCleanEntries = 1024
)

// trim drops entries for which the rows below give the same answer, if there are such and the row has
// grown to trimAt entries: absent ones of a complete map, and, while memory is short, all
// installed ones of a map with many entries. A map with a write in each epoch is never evicted, so
// without trim it could only grow. It reports whether it has dropped any.
func (c *mapCodecs[UK, UV]) trim(r *mapRow[UK, UV], t *backend.Tier) bool {
	n := r.entries.len()
	if n < int(r.trimAt) {
		return false
	}
	all := n > maxCleanEntries && t.IsInstalled(r.cleared) && t.Bytes() > t.Limit()/4*3
	if all || r.complete && r.absences > 0 {
		complete := r.complete
		r.entries.removeIf(func(e Entry[UK, cell[UV]]) bool {
			if !t.IsInstalled(e.Value.written) || !all && !e.Value.absent {
				return false
			}
			complete = complete && e.Value.absent
			c.uncount(r, t, e)
			return true
		})
		r.complete, r.absent = complete, r.values() == 0
	}
	left := r.entries.len()
	r.trimAt = uint32(2*left + minTrim)
	return left < n
}

// put stores an entry, whatever its mark, and returns the entry that it replaces. The row's entries
// must be mutable.
func (c *mapCodecs[UK, UV]) put(r *mapRow[UK, UV], t *backend.Tier, key UK, value cell[UV]) (old cell[UV], ok bool) {
	old, ok = r.entries.put(c.keys, key, value)
	if ok {
		c.uncount(r, t, Entry[UK, cell[UV]]{key, old})
	}
	r.charge(t, c.entrySize(Entry[UK, cell[UV]]{key, value}))
	if value.absent {
		r.absences++
	}
	r.absent = r.values() == 0
	return old, ok
}

// remove removes an entry. The row's entries must be mutable.
func (c *mapCodecs[UK, UV]) remove(r *mapRow[UK, UV], t *backend.Tier, key UK, old cell[UV]) {
	r.entries.remove(c.keys, key)
	c.uncount(r, t, Entry[UK, cell[UV]]{key, old})
	r.absent = r.values() == 0
}

// uncount subtracts an entry that was removed from the row's memory and number of absent entries.
func (c *mapCodecs[UK, UV]) uncount(r *mapRow[UK, UV], t *backend.Tier, e Entry[UK, cell[UV]]) {
	r.charge(t, -c.entrySize(e))
	if e.Value.absent {
		r.absences--
	}
}

// entrySize returns the memory of an entry in bytes.
func (c *mapCodecs[UK, UV]) entrySize(e Entry[UK, cell[UV]]) int64 {
	size := c.entryBytes
	if c.keySize != nil {
		size += c.keySize(e.Key)
	}
	if c.valueSize != nil && !e.Value.absent {
		size += c.valueSize(e.Value.value)
	}
	return size
}
