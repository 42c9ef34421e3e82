package lsmstate

import (
	"container/heap"
	"context"
	"errors"
	"fmt"

	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/state/backend"
)

// timers is one timer service: a queue for each domain.
type timers [2]*timerQueue

// AddTimers implements backend.Backend.
func (b *Backend) AddTimers(info backend.Info, d backend.Domain) (backend.TimerQueue, error) {
	if err := b.openOnce(); err != nil {
		return nil, err
	}
	service, ok := b.timers[info.ID()]
	if !ok {
		service = &timers{}
		b.timers[info.ID()] = service
	}
	service[d] = &timerQueue{
		backend: b, id: info.ID(), domain: d,
		groups:            make([]*timerGroup, b.registry.Keyspace().Groups.Len()),
		maxTimersInMemory: b.maxTimersInMemory,
	}
	return service[d], nil
}

// timerQueue holds the timers of one domain of a service. All timers are rows of the tree. The first
// timers of each key group are cached in memory, and a heap orders the groups by their first timer:
// see timerGroup.
type timerQueue struct {
	backend           *Backend
	id                backend.ID
	domain            backend.Domain
	groups            []*timerGroup // by key group, from the backend's first one; nil without timers so far
	maxTimersInMemory int           // per group
	order             groupHeap     // the groups that have timers
	offered           *timerGroup   // the group whose first timer the last call, a First, returned; else nil
	position          []byte        // scratch
	row               []byte        // scratch for First
	// failed is the error of a read after which the cached timers may be incomplete. All
	// further calls return it.
	failed error
}

// group returns the timers of a key group.
func (q *timerQueue) group(number uint16) *timerGroup {
	g := &q.groups[number-q.backend.registry.Keyspace().Groups.First]
	if *g == nil {
		sharedMark := q.backend.firedTimers.mark(groupTimers{number, q.id, q.domain})
		*g = &timerGroup{queue: q, number: number, heapIndex: notInHeap, sharedMark: sharedMark}
	}
	return *g
}

// loadTimers loads the first timers of each key group from a restored tree.
func (b *Backend) loadTimers(ctx context.Context) error {
	if len(b.timers) == 0 {
		return nil
	}
	v, err := b.db.View()
	if err != nil {
		return wrapLSMError(err)
	}
	err = eachState(ctx, v, partitionStart(timerBit<<8), func(it *lsm.Iterator, number uint16, id backend.ID) (bool, error) {
		d := domainOf(it.Key())
		if d >= domainsEnd {
			return it.Next(), nil // not a row of a timer service
		}
		if service, ok := b.timers[id]; ok {
			if err := service[d].load(number &^ (timerBit << 8)); err != nil {
				return false, err
			}
		}
		return it.Seek(appendSection(nil, number, id, markSection.of(d+1))), nil
	})
	return errors.Join(err, wrapLSMError(v.Close()))
}

// load loads the timers of a key group.
func (q *timerQueue) load(number uint16) error {
	if !q.backend.registry.Keyspace().Groups.Contains(number) {
		return fmt.Errorf("tree has timers of key group %d, which the backend does not own: %w", number, backend.ErrCorrupt)
	}
	g := q.group(number)
	if err := g.load(); err != nil {
		return err
	}
	q.changed(g)
	return nil
}

// begin prepares a call that changes a timer. It returns the timer's group and position.
func (q *timerQueue) begin(t backend.TimerEntry) (g *timerGroup, position []byte, err error) {
	if q.failed != nil {
		return nil, nil, q.failed
	}
	if _, err := q.backend.writable(); err != nil {
		return nil, nil, err
	}
	q.position = appendPosition(q.position[:0], t.Timestamp, t.Row)
	return q.group(t.Group), q.position, nil
}

// Add implements backend.TimerQueue.
func (q *timerQueue) Add(t backend.TimerEntry) error {
	q.offered = nil
	g, position, err := q.begin(t)
	if err != nil {
		return err
	}
	return g.add(position)
}

// Remove implements backend.TimerQueue. If the last call was a First that returned the timer, the
// timer has fired, and the mark of its group rises. Other timers are deleted with a tombstone.
func (q *timerQueue) Remove(t backend.TimerEntry) error {
	offered := q.offered
	q.offered = nil
	g, position, err := q.begin(t)
	if err != nil {
		return err
	}
	return g.remove(position, g == offered)
}

// First implements backend.TimerQueue.
func (q *timerQueue) First() (t backend.TimerEntry, ok bool, err error) {
	if q.failed != nil {
		return t, false, q.failed
	}
	if q.backend.registry.Closed() {
		return t, false, backend.ErrClosed
	}
	if len(q.order) == 0 {
		return t, false, nil
	}
	q.offered = q.order[0]
	timestamp, row := splitPosition(q.offered.first())
	q.row = append(q.row[:0], row...)
	return backend.TimerEntry{Timestamp: timestamp, Group: q.offered.number, Row: q.row}, true, nil
}

// Len implements backend.TimerQueue. It reads the tree to count timers that are not cached.
func (q *timerQueue) Len() (n int) {
	for _, g := range q.order {
		more, err := g.count()
		if err != nil {
			q.failed = err
		}
		n += more
	}
	return n
}

// changed restores the order of the heap after the first timer of a group has changed.
func (q *timerQueue) changed(g *timerGroup) {
	switch {
	case len(g.cachedTimers) == 0 && g.heapIndex == notInHeap:
	case len(g.cachedTimers) == 0:
		heap.Remove(&q.order, g.heapIndex)
	case g.heapIndex == notInHeap:
		heap.Push(&q.order, g)
	default:
		heap.Fix(&q.order, g.heapIndex)
	}
}

// notInHeap is the heapIndex of a group without timers.
const notInHeap = -1

// groupHeap is a heap of groups, the one with the earliest first timer in front. It implements
// heap.Interface.
type groupHeap []*timerGroup

func (h groupHeap) Len() int           { return len(h) }
func (h groupHeap) Less(i, j int) bool { return h[i].first() < h[j].first() }

func (h groupHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].heapIndex, h[j].heapIndex = i, j
}

func (h *groupHeap) Push(g any) {
	g.(*timerGroup).heapIndex = len(*h)
	*h = append(*h, g.(*timerGroup))
}

func (h *groupHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	last.heapIndex = notInHeap
	return last
}
