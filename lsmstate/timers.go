package lsmstate

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/btree"

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
	service[d] = newTimerQueue(b, info.ID(), d)
	return service[d], nil
}

// loadTimers finds the key groups of a restored tree that have timers.
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

// timerQueue holds the timers of one domain of a service.
//
// Problem: the queue must return the earliest timer of all key groups. There may be more timers than
// fit into memory, and a snapshot needs them by key group: see timerGroup.
//
// Idea: all timers are rows of the tree, by group, and the earliest ones of each group are also in
// one B-tree in memory, ordered by position across all groups. An item in front of the timers of a
// group that are not in memory, its rest, says where to read on.
//
//	memory   [ 10 a | 10 b | 12 c | rest of b's group | 20 a | ... | rest of a's group ]
//	           First                read from the tree before 20 a fires
//
// Without a tier, each change is written to the tree at once. With a tier, a change is written at the
// end of its epoch (timerEpoch), in the background. So a timer that is registered and fires within
// an epoch never gets into the tree.
//
// Invariant: a timer that was registered in an epoch that is not installed is in memory, whether it
// is in the rest of its group or not. An epoch that is not installed has the timers that were deleted
// in it. So memory and epochs have the last change of every timer that the tree does not have.
//
// Cost: Add, Remove and First take O(log n) for n timers in memory. A timer in memory takes 42 bytes
// and its row.
//
// Thread safety: the task's goroutine only, except frozen queues.
type timerQueue struct {
	backend *Backend
	id      backend.ID
	domain  backend.Domain
	tier    *backend.Tier // nil if it is off
	memory  *btree.BTreeG[timer]
	rests   int           // number of items in memory that are rests
	groups  []*timerGroup // by key group, from the backend's first one; nil without timers so far
	batch   int           // number of timers that a refill reads
	limit   int           // number of timers in memory above which half of them are evicted, without a tier
	epoch   timerEpoch    // the current epoch
	pending []*timerEpoch // epochs that have ended and are not installed, the oldest one first
	isFirst bool          // the last call was a First that returned first
	first   timer
	row     []byte  // scratch for First
	key     []byte  // scratch
	read    []timer // scratch for refill
	// failed is the error of Len. All further calls return it.
	failed error
}

// timerTreeDegree is the degree of B-trees of timers: a node has 31 to 63 timers.
const timerTreeDegree = 32

func newTimerQueue(b *Backend, id backend.ID, d backend.Domain) *timerQueue {
	groups := b.registry.Keyspace().Groups.Len()
	return &timerQueue{
		backend: b, id: id, domain: d, tier: b.Tier(),
		memory: btree.NewG(timerTreeDegree, lessItem),
		groups: make([]*timerGroup, groups),
		batch:  b.maxTimersInMemory,
		limit:  2 * b.maxTimersInMemory * groups,
		epoch:  newTimerEpoch(),
	}
}

// group returns the timers of a key group.
func (q *timerQueue) group(number uint16) *timerGroup {
	g := &q.groups[number-q.backend.registry.Keyspace().Groups.First]
	if *g == nil {
		shared := q.backend.firedTimers.mark(groupTimers{number, q.id, q.domain})
		*g = &timerGroup{queue: q, number: number, mark: leastPosition, shared: shared}
	}
	return *g
}

// load loads the timers of a key group.
func (q *timerQueue) load(number uint16) error {
	if !q.backend.registry.Keyspace().Groups.Contains(number) {
		return fmt.Errorf("tree has timers of key group %d, which the backend does not own: %w", number, backend.ErrCorrupt)
	}
	return q.group(number).load()
}

// begin prepares a call that changes a timer. It returns the timer's group, and the timer for lookups.
func (q *timerQueue) begin(t backend.TimerEntry) (*timerGroup, timer, error) {
	if q.failed != nil {
		return nil, timer{}, q.failed
	}
	if _, err := q.backend.writable(); err != nil {
		return nil, timer{}, err
	}
	if q.tier != nil {
		if err := q.tier.MakeRoom(); err != nil {
			return nil, timer{}, err
		}
	}
	return q.group(t.Group), lookupTimer(t), nil
}

// Add implements backend.TimerQueue.
func (q *timerQueue) Add(t backend.TimerEntry) error {
	q.isFirst = false
	g, added, err := q.begin(t)
	if err != nil || q.memory.Has(added) {
		return err
	}
	if g.isLateAt(added) {
		added.flags |= isLate
	}
	if q.tier == nil {
		if err := wrapLSMError(q.backend.db.Put(q.rowOf(added), nil)); err != nil || !g.isComplete(added) {
			return err
		}
	} else {
		added.epoch = q.tier.Epoch()
		if !g.isComplete(added) || q.isDeleted(added) {
			added.flags |= mayBeBelow
		}
		q.epoch.register(q.tier, added)
		q.tier.ChargeWrite(added.bytes())
	}
	added.row = strings.Clone(added.row)
	q.keep(added)
	q.trim()
	return nil
}

// Remove implements backend.TimerQueue. If the last call was a First that returned the timer, the
// timer has fired, and the mark of its group rises. Other timers are deleted with a tombstone.
func (q *timerQueue) Remove(t backend.TimerEntry) error {
	isFirst := q.isFirst
	q.isFirst = false
	g, removed, err := q.begin(t)
	if err != nil {
		return err
	}
	if isFirst && comparePositions(removed, q.first) == 0 {
		return q.fire(g, q.first)
	}
	item, found := q.memory.Get(removed)
	switch {
	case found:
		removed = item
	case g.isComplete(removed) || q.isDeleted(removed):
		return nil
	default:
		removed.flags |= mayBeBelow
		if g.isLateAt(removed) {
			removed.flags |= isLate
		}
	}
	if err := q.deleteRow(removed); err != nil || !found {
		return err
	}
	q.forget(removed)
	return nil
}

// fire removes the first timer, which has fired.
func (q *timerQueue) fire(g *timerGroup, t timer) (err error) {
	if t.has(isLate) {
		err = q.deleteRow(t)
	} else {
		err = q.raise(g, t)
	}
	if err == nil {
		q.memory.DeleteMin()
		q.discharge(t)
	}
	return err
}

// raise raises the mark of a group to a timer.
func (q *timerQueue) raise(g *timerGroup, t timer) error {
	if q.tier != nil {
		g.mark = t
		q.epoch.raise(g)
		return nil
	}
	q.key = appendSection(q.key[:0], g.number, q.id, markSection.of(q.domain))
	q.key = appendPosition(q.key, t.timestamp, t.row)
	if err := q.backend.db.Put(q.key[:sectionSize], q.key[sectionSize:]); err != nil {
		return wrapLSMError(err)
	}
	g.mark = t
	g.share(t)
	return nil
}

// deleteRow deletes the row of a timer.
func (q *timerQueue) deleteRow(t timer) error {
	if q.tier == nil {
		return wrapLSMError(q.backend.db.Delete(q.rowOf(t)))
	}
	if t.epoch < q.tier.Epoch() || t.has(mayBeBelow) {
		t.row = strings.Clone(t.row)
		q.epoch.delete(q.tier, t)
	}
	return nil
}

// rowOf returns the key of a timer's row. It is valid until the next call.
func (q *timerQueue) rowOf(t timer) []byte {
	q.key = t.appendRow(q.key[:0], q.id, q.domain)
	return q.key
}

// First implements backend.TimerQueue.
func (q *timerQueue) First() (t backend.TimerEntry, ok bool, err error) {
	switch {
	case q.failed != nil:
		return t, false, q.failed
	case q.backend.registry.Closed():
		return t, false, backend.ErrClosed
	}
	for {
		first, ok := q.memory.Min()
		if !ok {
			return t, false, nil
		}
		if !first.has(isRest) {
			q.first, q.isFirst = first, true
			q.row = append(q.row[:0], first.row...)
			return backend.TimerEntry{Timestamp: first.timestamp, Group: first.group, Row: q.row}, true, nil
		}
		if err := q.group(first.group).refill(); err != nil {
			return t, false, err
		}
	}
}

// Len implements backend.TimerQueue. It reads the tree to count timers that are not in memory.
func (q *timerQueue) Len() int {
	n := q.inMemory()
	for _, g := range q.groups {
		if g == nil || !g.hasRest {
			continue
		}
		err := g.scan(func(_ timer, inMemory bool) bool {
			if !inMemory {
				n++
			}
			return true
		})
		if err != nil {
			q.failed = err
		}
	}
	return n
}
