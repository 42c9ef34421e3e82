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
	if err := b.use(); err != nil {
		return nil, err
	}
	service, ok := b.timers[info.ID()]
	if !ok {
		service = &timers{}
		b.timers[info.ID()] = service
	}
	service[d] = &timerQueue{
		backend: b, id: info.ID(), domain: d,
		groups: make([]*timerGroup, b.registry.Keyspace().Groups.Len()),
		known:  b.known,
	}
	return service[d], nil
}

// timerQueue is the timers of one domain: rows of the tree, and in memory the first
// ones of each key group, in a heap of the groups.
type timerQueue struct {
	backend  *Backend
	id       backend.ID
	domain   backend.Domain
	groups   []*timerGroup // from the first that the backend owns; nil before its first timer
	known    int           // how many timers of a group may be in memory
	order    groupHeap     // groups that have timers
	offered  *timerGroup   // whose first timer the last call returned, nil if it was another
	position []byte        // scratch
	row      []byte        // what First returned
	// failed is why the tree could not be read: the order is not known any more.
	failed error
}

// group returns that of a number.
func (q *timerQueue) group(number uint16) *timerGroup {
	g := &q.groups[number-q.backend.registry.Keyspace().Groups.First]
	if *g == nil {
		of := timersOfGroup{number, q.id, q.domain}
		*g = &timerGroup{queue: q, number: number, place: nowhere, fired: q.backend.fired.mark(of)}
	}
	return *g
}

// loadTimers finds the timers that a tree which was restored has.
func (b *Backend) loadTimers(ctx context.Context) error {
	if len(b.timers) == 0 {
		return nil
	}
	v, err := b.db.View()
	if err != nil {
		return ofTree(err)
	}
	err = eachState(ctx, v, border(timerBit<<8), func(it *lsm.Iterator, number uint16, id backend.ID) (bool, error) {
		d := domainOf(it.Key())
		if d >= domainsEnd {
			return it.Next(), nil // no timer of ours
		}
		if service, ok := b.timers[id]; ok {
			if err := service[d].load(number &^ (timerBit << 8)); err != nil {
				return false, err
			}
		}
		return it.Seek(appendSection(nil, number, id, markSection.of(d+1))), nil
	})
	return errors.Join(err, ofTree(v.Close()))
}

// load is loadTimers for a key group.
func (q *timerQueue) load(number uint16) error {
	if !q.backend.registry.Keyspace().Groups.Contains(number) {
		return fmt.Errorf("timers of key group %d: %w", number, backend.ErrCorrupt)
	}
	g := q.group(number)
	if err := g.load(); err != nil {
		return err
	}
	q.changed(g)
	return nil
}

// begin begins a call that is about a timer.
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

// Remove implements backend.TimerQueue. One that First has just returned has fired; the
// others are deleted, which costs a tombstone.
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

// Len implements backend.TimerQueue. It counts what is not in memory.
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

// changed puts a group back in order after its first timer has changed.
func (q *timerQueue) changed(g *timerGroup) {
	switch {
	case len(g.known) == 0 && g.place == nowhere:
	case len(g.known) == 0:
		heap.Remove(&q.order, g.place)
	case g.place == nowhere:
		heap.Push(&q.order, g)
	default:
		heap.Fix(&q.order, g.place)
	}
}

// nowhere is the place of a group that is not in the heap.
const nowhere = -1

// groupHeap has the group with the first timer in front. It implements
// heap.Interface.
type groupHeap []*timerGroup

func (h groupHeap) Len() int           { return len(h) }
func (h groupHeap) Less(i, j int) bool { return h[i].first() < h[j].first() }

func (h groupHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

func (h *groupHeap) Push(g any) {
	g.(*timerGroup).place = len(*h)
	*h = append(*h, g.(*timerGroup))
}

func (h *groupHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	last.place = nowhere
	return last
}
