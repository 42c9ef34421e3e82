package backend

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
)

// StateList is the list of the states that were declared at one moment. It never changes.
//
// A view gets its list in constant time: it is the front of the registry's append-only list. The
// first read sorts it, once for all views that share it.
//
// Thread safety: safe for concurrent use.
type StateList struct {
	declared []*Info // in the order of declaration

	once   sync.Once
	sorted []Info
	ids    []ID // ids[i] is the ID of sorted[i]
}

// States returns the states, ordered by ID. The caller must not modify the slice.
func (l *StateList) States() []Info {
	l.once.Do(func() {
		type entry struct {
			id ID
			at int
		}
		order := make([]entry, len(l.declared))
		for i, info := range l.declared {
			order[i] = entry{info.ID(), i}
		}
		slices.SortFunc(order, func(a, b entry) int { return cmp.Compare(a.id, b.id) })
		l.sorted, l.ids = make([]Info, len(order)), make([]ID, len(order))
		for i, e := range order {
			l.sorted[i], l.ids[i] = *l.declared[e.at], e.id
		}
	})
	return l.sorted
}

// SplitKey is SplitHeader for a read of a KeyView. It returns ErrKeyGroup for a group outside of
// owned, and ErrUnknownState for a state that is not in the list or is a timer service.
func (l *StateList) SplitKey(key []byte, owned GroupRange) (group uint16, id ID, rest []byte, err error) {
	if group, id, rest, err = SplitHeader(key); err != nil {
		return 0, 0, nil, err
	}
	if !owned.Contains(group) {
		return 0, 0, nil, fmt.Errorf("read by key: key group %d, the view has %v: %w", group, owned, ErrKeyGroup)
	}
	states := l.States()
	if at, ok := slices.BinarySearch(l.ids, id); !ok || states[at].Kind == KindTimers {
		return 0, 0, nil, fmt.Errorf("read by key: no state with id %#08x that has keys: %w", uint32(id), ErrUnknownState)
	}
	return group, id, rest, nil
}
