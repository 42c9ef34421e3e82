package slotindex

import (
	"slices"

	"github.com/weirstate/weir/internal/pace"
	"github.com/weirstate/weir/state/backend"
)

// sortedSlots yields the slots of a frozen table in the order of keys, for a hash index, which
// has no order. It groups the slots by key group once, which takes 4 B per row and temporarily
// 2 B per slot, and sorts a group when it is needed, which takes 32 B per row of the group. All
// of that happens in the asynchronous half of a snapshot.
type sortedSlots struct {
	slots  []uint32    // by key group; ascending within a group, or in the order of keys
	bounds GroupBounds // of slots
	sorter slotSorter
	batch  Batch
}

// Ascend implements backend.FrozenIndex.
func (s *sortedSlots) Ascend(t backend.FrozenTable, group uint16, yield func(slot uint32) error) error {
	if s.bounds == nil {
		s.groupSlots(t)
	}
	from, to := s.bounds.Of(group)
	s.batch.Begin(t, group, yield)
	for _, item := range s.sorter.sort(t, s.slots[from:to]) {
		if err := s.batch.Add(item.slot); err != nil {
			return err
		}
	}
	return s.batch.Flush()
}

// chunkSlots is the number of slots that are read at a time: some tens of microseconds of work.
// FrozenTable.Groups requires a multiple of 64.
const chunkSlots = 1 << 10

// Approximate times for pace.Pacer: reading the key of a slot, comparing two keys, and moving a
// slot or item. Each of the first two has one or two cache misses.
const readNanos, compareNanos, moveNanos = 50, 100, 5

// Reader implements Ordered.
func (s *sortedSlots) Reader() Ordered { return &sortedSlots{} }

// Slots implements Ordered. It sorts the group's slots in place. That does not disturb
// Ascend, which sorts each group again and does not depend on the order within it.
func (s *sortedSlots) Slots(t backend.FrozenTable, group uint16) []uint32 {
	if s.bounds == nil {
		s.groupSlots(t)
	}
	from, to := s.bounds.Of(group)
	slots := s.slots[from:to:to]
	for i, item := range s.sorter.sort(t, slots) {
		slots[i] = item.slot
	}
	return slots
}

// groupSlots fills slots, by a counting sort by key group.
func (s *sortedSlots) groupSlots(t backend.FrozenTable) {
	groups := make([]uint16, t.Slots())
	var pacer pace.Pacer
	for at := 0; at < len(groups); at += chunkSlots {
		some := groups[at:min(at+chunkSlots, len(groups))]
		t.Groups(uint32(at), some)
		for _, group := range some {
			if group != backend.MaxKeyGroups {
				s.bounds.Count(group)
			}
		}
		pacer.Spend(chunkSlots * readNanos)
	}
	s.slots = make([]uint32, s.bounds.Sum())
	next := slices.Clone(s.bounds)
	for slot, group := range groups {
		if group != backend.MaxKeyGroups {
			s.slots[next[group]] = uint32(slot)
			next[group]++
		}
		pacer.Spend(moveNanos)
	}
}
