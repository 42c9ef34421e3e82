package heapstate

import (
	"slices"
	"unsafe"

	"github.com/google/btree"

	"github.com/weirstate/weir/state/backend"
)

// timers is one timer service: a queue for each domain, which are frozen as one.
type timers struct {
	unit   *backend.Unit
	queues [2]*timerQueue
}

func newTimers(r *backend.Registry, free *btree.FreeListG[timer]) *timers {
	t := &timers{}
	t.unit = r.NewUnit(t.take)
	for d := range t.queues {
		t.queues[d] = newTimerQueue(t.unit, free)
	}
	return t
}

func (t *timers) len() int { return t.queues[0].Len() + t.queues[1].Len() }

// timerTrees are the timers of a service at a snapshot, by domain.
type timerTrees [2]*btree.BTreeG[timer]

func (t *timers) take() any {
	var trees timerTrees
	for d, queue := range t.queues {
		trees[d] = queue.tree.Clone()
	}
	return trees
}

// frozen returns the service as it was at a freeze.
func (t *timers) frozen(pin *backend.Pin, id backend.ID) *frozenTimers {
	trees, _ := pin.Of(t.unit).(timerTrees)
	return &frozenTimers{id: id, trees: trees}
}

// timerQueue is a B-tree of the timers of one domain: a priority queue that
// finds duplicates and is cloned in constant time.
type timerQueue struct {
	unit  *backend.Unit
	tree  *btree.BTreeG[timer]
	first []byte // scratch for First
}

type timer struct {
	timestamp int64
	row       string // key and namespace in the form of composite keys
	group     uint16
}

func newTimerQueue(u *backend.Unit, free *btree.FreeListG[timer]) *timerQueue {
	return &timerQueue{unit: u, tree: btree.NewWithFreeListG(treeDegree, func(a, b timer) bool {
		if a.timestamp != b.timestamp {
			return a.timestamp < b.timestamp
		}
		return a.row < b.row
	}, free)}
}

// Add implements backend.TimerQueue. A timer that is there already, as most are
// that a window registers for each of its records, costs no more than finding
// it: no memory, and no copy of a node that a snapshot holds.
func (q *timerQueue) Add(t backend.TimerEntry) error {
	if !q.tree.Has(borrowed(t)) {
		q.unit.Touch()
		q.tree.ReplaceOrInsert(timer{t.Timestamp, string(t.Row), t.Group})
	}
	return nil
}

// Remove implements backend.TimerQueue.
func (q *timerQueue) Remove(t backend.TimerEntry) error {
	q.unit.Touch()
	q.tree.Delete(borrowed(t))
	if q.tree.Len() == 0 {
		q.tree.Clear(true) // the last node goes to the list of free ones
	}
	return nil
}

// borrowed is a timer to look for, whose row is the caller's memory.
func borrowed(t backend.TimerEntry) timer {
	return timer{t.Timestamp, unsafe.String(unsafe.SliceData(t.Row), len(t.Row)), t.Group}
}

// First implements backend.TimerQueue.
func (q *timerQueue) First() (t backend.TimerEntry, ok bool, err error) {
	first, ok := q.tree.Min()
	if !ok {
		return t, false, nil
	}
	q.first = append(q.first[:0], first.row...)
	return backend.TimerEntry{Timestamp: first.timestamp, Group: first.group, Row: q.first}, true, nil
}

// Len implements backend.TimerQueue.
func (q *timerQueue) Len() int { return q.tree.Len() }

// frozenTimers is a timer service at a snapshot.
type frozenTimers struct {
	id       backend.ID
	trees    timerTrees
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
			entry := backend.TimerEntry{Timestamp: t.timestamp, Group: t.group, Row: f.row}
			f.key = backend.AppendTimerKey(f.key[:0], f.id, backend.Domain(d), entry)
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
