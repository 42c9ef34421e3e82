package heapstate

import (
	"runtime"
	"slices"

	"github.com/weirstate/weir/state/backend"
)

// sortedSlots orders the slots of a frozen table whose index has no order: it
// deals them out to key groups once, in 4 B a row and, meanwhile, 2 B a slot;
// and it sorts a group when it is asked for, in 32 B for each row of it. All of
// it happens in the asynchronous half of a snapshot.
type sortedSlots struct {
	slots  []uint32    // by key group, within one ascending
	bounds groupBounds // of slots
	sorter slotSorter
	batch  slotBatch
}

// Ascend implements backend.FrozenIndex.
func (s *sortedSlots) Ascend(t backend.FrozenTable, group uint16, yield func(slot uint32) error) error {
	if s.bounds == nil {
		s.deal(t)
	}
	from, to := s.bounds.of(group)
	s.batch.begin(t, group, yield)
	for _, item := range s.sorter.sort(t, s.slots[from:to]) {
		if err := s.batch.add(item.slot); err != nil {
			return err
		}
	}
	return s.batch.flush()
}

// dealSlots is some tens of microseconds of dealing. It is a multiple of 64.
const dealSlots = 1 << 10

// reader implements orderedIndex.
func (s *sortedSlots) reader() orderedIndex { return &sortedSlots{} }

// ordered implements orderedIndex. The slots are put in order where they are: Ascend sorts
// them again, since it does not depend on the order within a group.
func (s *sortedSlots) ordered(t backend.FrozenTable, group uint16) []uint32 {
	if s.bounds == nil {
		s.deal(t)
	}
	from, to := s.bounds.of(group)
	slots := s.slots[from:to:to]
	for i, item := range s.sorter.sort(t, slots) {
		slots[i] = item.slot
	}
	return slots
}

// deal is a counting sort by key group.
func (s *sortedSlots) deal(t backend.FrozenTable) {
	groups := make([]uint16, t.Slots())
	for at := 0; at < len(groups); at += dealSlots {
		some := groups[at:min(at+dealSlots, len(groups))]
		t.Groups(uint32(at), some)
		for _, group := range some {
			if group != backend.MaxKeyGroups {
				s.bounds.count(group)
			}
		}
		runtime.Gosched() // the task may be waiting for this processor
	}
	s.slots = make([]uint32, s.bounds.sum())
	next := slices.Clone(s.bounds)
	for slot, group := range groups {
		if group != backend.MaxKeyGroups {
			s.slots[next[group]] = uint32(slot)
			next[group]++
		}
	}
}
