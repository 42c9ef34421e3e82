package lsmstate

import (
	"github.com/google/btree"

	"github.com/weirstate/weir/state/backend"
)

// timerEpoch has the changes of a queue in one epoch of the tier, except the registered timers, which
// are in the queue's memory.
//
// Invariant: a timer is in deleted if the tree or an older epoch may have its row, and the epoch has
// deleted it and not registered it again.
//
// Thread safety: the task's goroutine changes the current epoch. An epoch that has ended does not
// change, and any goroutine may read it.
type timerEpoch struct {
	number    uint32 // of the tier; 0 for the current epoch
	isWritten bool
	deleted   *btree.BTreeG[timer]
	bytes     int64         // charged for deleted timers
	risen     []*timerGroup // groups whose mark has risen
	marks     []timer       // marks of these groups at the end of the epoch
}

func newTimerEpoch() timerEpoch { return timerEpoch{deleted: btree.NewG(timerTreeDegree, lessItem)} }

// register records that a timer was registered.
func (e *timerEpoch) register(tier *backend.Tier, t timer) {
	e.isWritten = true
	if old, ok := e.deleted.Delete(t); ok {
		e.charge(tier, -old.bytes())
	}
}

// delete records that a timer was deleted whose row may be below.
func (e *timerEpoch) delete(tier *backend.Tier, t timer) {
	e.isWritten = true
	t.flags |= isDeleted
	e.deleted.ReplaceOrInsert(t)
	e.charge(tier, t.bytes())
}

// raise records that the mark of a group has risen.
func (e *timerEpoch) raise(g *timerGroup) {
	e.isWritten = true
	if !g.isRisen {
		g.isRisen = true
		e.risen = append(e.risen, g)
	}
}

func (e *timerEpoch) charge(tier *backend.Tier, bytes int64) {
	e.bytes += bytes
	tier.Charge(bytes)
}

// isDeleted reports whether an epoch that is not installed has deleted a timer that is not in memory.
func (q *timerQueue) isDeleted(t timer) bool {
	if q.epoch.deleted.Has(t) {
		return true
	}
	for _, e := range q.pending {
		if e.deleted.Has(t) {
			return true
		}
	}
	return false
}

// lastChange returns a timer that is in the tree and in the rest of its group as memory has it, if it
// is in memory, and reports whether an epoch that is not installed has deleted it.
func (q *timerQueue) lastChange(t timer) (last timer, inMemory, isDeleted bool) {
	if q.tier == nil { // the tree has all changes, and memory has nothing of the rest
		return t, false, false
	}
	if item, ok := q.memory.Get(t); ok {
		return item, true, false
	}
	return t, false, q.isDeleted(t)
}

// freeze ends the epoch, if it has changes, and returns the queue at its end.
func (q *timerQueue) freeze(epoch uint32) *frozenQueue {
	e := q.epoch
	e.number = epoch
	for _, g := range e.risen {
		mark := g.mark
		mark.group = g.number
		e.marks = append(e.marks, mark)
		g.isRisen = false
	}
	q.pending = append(q.pending, &e)
	q.epoch = newTimerEpoch()
	return &frozenQueue{id: q.id, domain: q.domain, epoch: &e, memory: q.memory.Clone()}
}

// installed records that all epochs up to a number are installed: the tree has them.
func (q *timerQueue) installed(number uint32) {
	for len(q.pending) > 0 && q.pending[0].number <= number {
		e := q.pending[0]
		q.pending[0] = nil
		q.pending = q.pending[1:]
		q.tier.Charge(-e.bytes)
		for i, g := range e.risen {
			g.share(e.marks[i])
		}
	}
}

// timersWritten reports whether a timer has changed in this epoch of the tier.
func (b *Backend) timersWritten() bool {
	for _, service := range b.timers {
		for _, q := range service {
			if q.epoch.isWritten {
				return true
			}
		}
	}
	return false
}

// freezeTimers ends an epoch of the tier for all timers. It takes constant time for each queue and
// for each key group in which timers have fired.
func (b *Backend) freezeTimers(epoch uint32) frozenTimers {
	f := frozenTimers{groups: b.registry.Keyspace().Groups}
	for _, service := range b.timers {
		for _, q := range service {
			if q.epoch.isWritten {
				f.queues = append(f.queues, q.freeze(epoch))
			}
		}
	}
	return f
}

// timersInstalled records that the tree has everything up to an epoch.
func (b *Backend) timersInstalled(epoch uint32) {
	for _, service := range b.timers {
		for _, q := range service {
			q.installed(epoch)
		}
	}
}
