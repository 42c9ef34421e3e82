package heapstate

import (
	"github.com/google/btree"

	"github.com/weirstate/weir/state"
)

// timers is one timer service: a queue for each domain.
type timers [2]*timerQueue

func newTimers() *timers { return &timers{newTimerQueue(), newTimerQueue()} }

func (t *timers) len() int { return t[0].Len() + t[1].Len() }

func (t *timers) freeze(id state.ID) *frozenTimers {
	f := &frozenTimers{id: id}
	for d, queue := range t {
		f.trees[d] = queue.tree.Clone()
	}
	return f
}

// timerQueue is a B-tree of the timers of one domain: a priority queue that
// finds duplicates and is cloned in constant time.
type timerQueue struct {
	tree  *btree.BTreeG[timer]
	first []byte // scratch for First
}

type timer struct {
	timestamp int64
	row       string // key and namespace in the form of composite keys
	group     uint16
}

func newTimerQueue() *timerQueue {
	return &timerQueue{tree: btree.NewG(treeDegree, func(a, b timer) bool {
		if a.timestamp != b.timestamp {
			return a.timestamp < b.timestamp
		}
		return a.row < b.row
	})}
}

// Add implements state.TimerQueue.
func (q *timerQueue) Add(t state.TimerEntry) error {
	q.tree.ReplaceOrInsert(timer{t.Timestamp, string(t.Row), t.Group})
	return nil
}

// Remove implements state.TimerQueue.
func (q *timerQueue) Remove(t state.TimerEntry) error {
	q.tree.Delete(timer{t.Timestamp, string(t.Row), t.Group})
	return nil
}

// First implements state.TimerQueue.
func (q *timerQueue) First() (t state.TimerEntry, ok bool, err error) {
	first, ok := q.tree.Min()
	if !ok {
		return t, false, nil
	}
	q.first = append(q.first[:0], first.row...)
	return state.TimerEntry{Timestamp: first.timestamp, Group: first.group, Row: q.first}, true, nil
}

// Len implements state.TimerQueue.
func (q *timerQueue) Len() int { return q.tree.Len() }

// frozenTimers is a timer service at a snapshot.
type frozenTimers struct {
	id      state.ID
	trees   [2]*btree.BTreeG[timer]
	byGroup [2]map[uint16][]timer // once dealt out
	key     []byte                // scratch
}

// rows implements frozenState.
func (f *frozenTimers) rows(group uint16, yield func(key, value []byte) error) error {
	if f.byGroup[0] == nil {
		f.deal()
	}
	for d, groups := range f.byGroup {
		for _, t := range groups[group] {
			entry := state.TimerEntry{Timestamp: t.timestamp, Group: t.group, Row: []byte(t.row)}
			f.key = state.AppendTimerKey(f.key[:0], f.id, state.Domain(d), entry)
			if err := yield(f.key, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// deal sorts the timers by key group; within one they stay in order.
func (f *frozenTimers) deal() {
	for d, tree := range f.trees {
		groups := make(map[uint16][]timer)
		tree.Ascend(func(t timer) bool {
			groups[t.group] = append(groups[t.group], t)
			return true
		})
		f.byGroup[d] = groups
	}
}
