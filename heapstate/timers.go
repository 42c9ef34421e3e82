package heapstate

import (
	"slices"
	"unsafe"

	"github.com/google/btree"

	"github.com/weirstate/weir/internal/slotindex"
	"github.com/weirstate/weir/state/backend"
)

// timers is one timer service: a queue for each backend.Domain, which is the index in queues.
// Both queues are in one unit, so a snapshot captures them together.
type timers struct {
	unit   *backend.Unit
	queues [2]*timerQueue
}

func newTimers(r *backend.Registry, free *btree.FreeListG[timer]) *timers {
	t := &timers{}
	t.unit = r.NewUnit(t.capture)
	for d := range t.queues {
		t.queues[d] = newTimerQueue(t.unit, free)
	}
	return t
}

func (t *timers) len() int { return t.queues[0].Len() + t.queues[1].Len() }

// timerTrees holds the timers of a service at a snapshot, by domain.
type timerTrees [2]*btree.BTreeG[timer]

// capture returns clones of both trees. A clone takes constant time.
func (t *timers) capture() any {
	var trees timerTrees
	for d, queue := range t.queues {
		trees[d] = queue.tree.Clone()
	}
	return trees
}

// frozen returns the service as it was when pin was taken. The pin must be open and newer than
// the service: otherwise Of returns nil, and the result has no trees to read.
func (t *timers) frozen(pin *backend.Pin, id backend.ID) *frozenTimers {
	trees, _ := pin.Of(t.unit).(timerTrees)
	return &frozenTimers{id: id, trees: trees}
}

// timerQueue holds the timers of one domain of a service.
//
// Problem: the queue must return the earliest timer, drop duplicates (a window registers the
// same timer for each of its records), remove timers by value, and be part of a snapshot that
// must not stop the task. A binary heap offers only the first of these.
//
// Idea: a B-tree (google/btree) ordered by timestamp, then by row, which is key and namespace
// as they are in composite keys. The first timer is the leftmost item; a duplicate is found by
// a lookup; and Clone takes constant time, because the nodes are shared and each tree copies a
// node before its first change.
//
//	          [ 40 a | 70 c ]              tree and clone share nodes
//	         /       |       \
//	[ 10 a | 10 b ] [ 55 a ] [ 80 b ]      First: 10 a
//
//	Add(55 a)     found: no memory, no copied node
//	Remove(10 a)  copies the path root - leaf if a clone shares it
//
// The order does not contain the key group: the queue fires timers of all groups by time. A
// snapshot needs them by key group, so its reader groups them by a counting sort
// (frozenTimers), in the asynchronous half.
//
// Invariant: no two timers have the same timestamp and row. (Timers of the same row have the
// same key group.)
//
// Invariant: Touch is called before the tree changes, so that an open pin has its clone.
//
// Cost: O(log n) per call, First O(log n). A timer takes 32 bytes in its node plus its row; the
// row is a string, so a node holds pointers that the garbage collector scans.
//
// Thread safety: the task's goroutine only. A reader of a snapshot may call capture, under the
// clock's mutex, before the queue's first change after the freeze.
type timerQueue struct {
	unit  *backend.Unit
	tree  *btree.BTreeG[timer]
	first []byte // scratch for First
}

// timer is an item of the tree. The group does not take part in the order: the row determines it.
type timer struct {
	timestamp int64
	row       string // key and namespace, as in composite keys
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

// Add implements backend.TimerQueue. It first looks the timer up: most timers that a window
// registers exist already, and then Add allocates nothing and copies no node of a snapshot.
func (q *timerQueue) Add(t backend.TimerEntry) error {
	if !q.tree.Has(lookupTimer(t)) {
		q.unit.Touch()
		q.tree.ReplaceOrInsert(timer{t.Timestamp, string(t.Row), t.Group})
	}
	return nil
}

// Remove implements backend.TimerQueue. Unlike Add it does not look the timer up first, because
// a timer that fires is always in the tree. Removing a missing timer may copy
// nodes that a snapshot shares.
func (q *timerQueue) Remove(t backend.TimerEntry) error {
	q.unit.Touch()
	q.tree.Delete(lookupTimer(t))
	if q.tree.Len() == 0 {
		q.tree.Clear(true) // returns the last node to the free list
	}
	return nil
}

// lookupTimer returns a timer for a lookup. Its row shares the caller's memory, so the tree must
// not keep it.
func lookupTimer(t backend.TimerEntry) timer {
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
	grouped  [2]groupedTimers
	row, key []byte // scratch
}

// groupedTimers holds the timers of one domain sorted by key group, and within a group in the
// order in which they fire.
type groupedTimers struct {
	timers []timer
	bounds slotindex.GroupBounds // nil until group is called
}

// rows implements frozenState. The rows of a group are ordered by key, which is domain, timestamp,
// row: event time first. The first call groups the timers of all groups.
func (f *frozenTimers) rows(group uint16, yield func(key, value []byte) error) error {
	for d := range f.grouped {
		grouped := &f.grouped[d]
		if grouped.bounds == nil {
			grouped.group(f.trees[d])
		}
		from, to := grouped.bounds.Of(group)
		for _, t := range grouped.timers[from:to] {
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

// group fills g with the timers of a tree by key group. It is a counting sort in two passes, which
// keeps the order of the tree within each group. It takes 32 B per timer.
func (g *groupedTimers) group(tree *btree.BTreeG[timer]) {
	tree.Ascend(func(t timer) bool {
		g.bounds.Count(t.group)
		return true
	})
	g.timers = make([]timer, g.bounds.Sum())
	next := slices.Clone(g.bounds)
	tree.Ascend(func(t timer) bool {
		g.timers[next[t.group]] = t
		next[t.group]++
		return true
	})
}
