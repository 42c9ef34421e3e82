package backend

import (
	"cmp"
	"slices"
	"sync"
)

// StateList is the states that were declared at one moment. It never changes.
//
// A view takes it in constant time: it is the beginning of a list that only grows. It is
// sorted when it is first asked for, once for all views that share it.
//
// Thread safety: safe for concurrent use.
type StateList struct {
	declared []*Info // in the order of declaration

	once   sync.Once
	sorted []Info
}

// States returns the states ordered by id. They must not be modified.
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
		l.sorted = make([]Info, len(order))
		for i, e := range order {
			l.sorted[i] = *l.declared[e.at]
		}
	})
	return l.sorted
}
