package heapstate

import (
	"slices"
	"unsafe"

	"github.com/google/btree"

	"github.com/weirstate/weir/state"
)

// timers is one timer service: a queue for each domain.
type timers [2]*timerQueue

func newTimers(free *btree.FreeListG[timer]) *timers {
	return &timers{newTimerQueue(free), newTimerQueue(free)}
}

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

func newTimerQueue(free *btree.FreeListG[timer]) *timerQueue {
	return &timerQueue{tree: btree.NewWithFreeListG(treeDegree, func(a, b timer) bool {
		if a.timestamp != b.timestamp {
			return a.timestamp < b.timestamp
		}
		return a.row < b.row
	}, free)}
}

// Add implements state.TimerQueue. A timer that is there already, as most are
// that a window registers for each of its records, costs no more than finding
// it: no memory, and no copy of a node that a snapshot holds.
func (q *timerQueue) Add(t state.TimerEntry) error {
	if !q.tree.Has(borrowed(t)) {
		q.tree.ReplaceOrInsert(timer{t.Timestamp, string(t.Row), t.Group})
	}
	return nil
}

// Remove implements state.TimerQueue.
func (q *timerQueue) Remove(t state.TimerEntry) error {
	q.tree.Delete(borrowed(t))
	return nil
}

// borrowed is a timer to look for, whose row is the caller's memory.
func borrowed(t state.TimerEntry) timer {
	return timer{t.Timestamp, unsafe.String(unsafe.SliceData(t.Row), len(t.Row)), t.Group}
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
	id       state.ID
	trees    [2]*btree.BTreeG[timer]
	dealt    [2]dealtTimers
	row, key []byte // scratch
}

// dealtTimers is the timers of one domain by key group, in order within one.
type dealtTimers struct {
	timers []timer
	bounds groupBounds
}

// rows implements frozenState.
func (f *frozenTimers) rows(group uint16, yield func(key, value []byte) error) error {
	for d := range f.dealt {
		dealt := &f.dealt[d]
		if dealt.bounds == nil {
			dealt.deal(f.trees[d])
		}
		from, to := dealt.bounds.of(group)
		for _, t := range dealt.timers[from:to] {
			f.row = append(f.row[:0], t.row...)
			entry := state.TimerEntry{Timestamp: t.timestamp, Group: t.group, Row: f.row}
			f.key = state.AppendTimerKey(f.key[:0], f.id, state.Domain(d), entry)
			if err := yield(f.key, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// deal is a counting sort by key group, in 32 B a timer.
func (d *dealtTimers) deal(tree *btree.BTreeG[timer]) {
	tree.Ascend(func(t timer) bool {
		d.bounds.count(t.group)
		return true
	})
	d.timers = make([]timer, d.bounds.sum())
	next := slices.Clone(d.bounds)
	tree.Ascend(func(t timer) bool {
		d.timers[next[t.group]] = t
		next[t.group]++
		return true
	})
}
