package heapstate

import (
	"cmp"
	"runtime"
	"slices"

	"github.com/weirstate/weir/state"
)

// sortedSlots orders the slots of a frozen table whose index has no order: it
// deals them out to key groups once, in 4 B a row, and sorts a group when it
// is asked for. All of it happens in the asynchronous half of a snapshot.
type sortedSlots struct {
	groups [][]uint32 // nil until dealt
	order  []sortItem // scratch
}

// sortItem decides most comparisons without a look at the rows.
type sortItem struct {
	prefix uint64
	slot   uint32
}

// yieldSlots is some tens of microseconds of dealing.
const yieldSlots = 1 << 11

// Ascend implements state.FrozenIndex.
func (s *sortedSlots) Ascend(t state.FrozenTable, group uint16, yield func(slot uint32) error) error {
	if s.groups == nil {
		s.deal(t)
	}
	if int(group) >= len(s.groups) {
		return nil
	}
	s.order = s.order[:0]
	for _, slot := range s.groups[group] {
		s.order = append(s.order, sortItem{t.Prefix(slot), slot})
	}
	slices.SortFunc(s.order, func(a, b sortItem) int {
		if c := cmp.Compare(a.prefix, b.prefix); c != 0 {
			return c
		}
		return t.Compare(a.slot, b.slot)
	})
	for _, item := range s.order {
		if err := yield(item.slot); err != nil {
			return err
		}
	}
	return nil
}

func (s *sortedSlots) deal(t state.FrozenTable) {
	s.groups = make([][]uint32, 1)
	for slot := range t.Slots() {
		if slot%yieldSlots == 0 {
			runtime.Gosched() // the task may be waiting for this processor
		}
		group, ok := t.Group(slot)
		if !ok {
			continue
		}
		if missing := int(group) + 1 - len(s.groups); missing > 0 {
			s.groups = append(s.groups, make([][]uint32, missing)...)
		}
		s.groups[group] = append(s.groups[group], slot)
	}
}
