package lsmstate

import (
	"errors"
	"slices"
	"sync/atomic"
)

// timerGroup holds the timers of one domain and one key group of a service.
//
// Problem: a timer queue deletes its first element all the time. In a log-structured tree each
// delete is a tombstone at the front of the queue, and a read of the first timer steps over all
// tombstones that no compaction has dropped yet: the work of firing n timers grows as n squared.
//
// Idea: firing deletes nothing. Timers are rows in the order of their position, timestamp and row,
// and fire in that order. So one row per group, the mark, is enough to record all timers that have
// fired: it holds the position of the last one. A read begins directly after the mark, and
// compactions drop the rows up to it (firedTimerFilter). The mark is overwritten in place.
//
//	timerSection   | t=1 | t=3 | t=5 | t=9 | ...       rows ordered by position
//	                fired fired  first timer
//	                       mark
//
// A program may register a timer at or below the mark, for example one in the past. It would be
// hidden by the mark; so it goes to another section, lateSection, and is deleted with a tombstone
// when it fires. Late timers are few, and they fire at once.
//
//	Register(t=2), mark at t=3   -> lateSection     fires before all of timerSection
//	Register(t=7), mark at t=3   -> timerSection
//	Delete(t=9)                  -> a tombstone, since t=9 has not fired
//
// In memory are the first timers of the group (cachedTimers); the queue keeps its groups in a heap
// by their first timer. When the cache is empty, refill reads the next timers from the tree.
//
// Invariant: cachedTimers has the first timers of the group, late ones included, in ascending
// order. If it is empty, the group has no timers.
//
// Invariant: if hasUncached is false, cachedTimers has all timers; if mayHaveLate is false, no
// timer is in lateSection.
//
// Invariant: a row of timerSection is a pending timer exactly if its position is above the mark.
// Rows of lateSection are pending timers at or below the mark.
//
// Invariant: the tree has the mark; the field is a copy. The mark never falls.
//
// Cost: firing a timer overwrites one row; registering one writes one row. A refill reads up to
// maxTimersInMemory rows with one seek per section.
type timerGroup struct {
	queue        *timerQueue
	number       uint16                  // key group
	heapIndex    int                     // index in the queue's heap, or notInHeap
	cachedTimers []string                // positions, ascending
	hasUncached  bool                    // there may be timers after the cached ones
	mayHaveLate  bool                    // there may be timers in lateSection
	mark         string                  // empty, below all positions, before the first timer fires
	sharedMark   *atomic.Pointer[string] // the mark for firedTimerFilter
	key          []byte                  // scratch
}

// first returns the position of the first timer. The group must have one.
func (g *timerGroup) first() string { return g.cachedTimers[0] }

// rowOf returns the key of a timer's row. It is valid until the next call.
func (g *timerGroup) rowOf(position []byte) []byte {
	s := timerSection
	if string(position) <= g.mark {
		s = lateSection
	}
	return append(g.section(s), position...)
}

// section returns the common prefix of the keys in a section. It is valid until the next call.
func (g *timerGroup) section(s section) []byte {
	g.key = appendSection(g.key[:0], g.number, g.queue.id, s.of(g.queue.domain))
	return g.key
}

// find returns the index of a position in cachedTimers, or the index at which it would be inserted.
func (g *timerGroup) find(position []byte) (at int, found bool) {
	return slices.BinarySearchFunc(g.cachedTimers, position, func(cached string, position []byte) int {
		switch { // the compiler does not copy position for the comparison
		case cached < string(position):
			return -1
		case cached > string(position):
			return 1
		}
		return 0
	})
}

// add registers a timer.
func (g *timerGroup) add(position []byte) error {
	at, found := g.find(position)
	if found {
		return nil
	}
	if err := g.queue.backend.db.Put(g.rowOf(position), nil); err != nil {
		return wrapLSMError(err)
	}
	g.mayHaveLate = g.mayHaveLate || string(position) <= g.mark
	if at == len(g.cachedTimers) && g.hasUncached {
		return nil
	}
	g.cachedTimers = slices.Insert(g.cachedTimers, at, string(position))
	if limit := g.queue.maxTimersInMemory; len(g.cachedTimers) > limit {
		g.cachedTimers, g.hasUncached = g.cachedTimers[:limit], true
	}
	if at == 0 {
		g.queue.changed(g)
	}
	return nil
}

// remove removes a timer. If hasFired is true and the timer is the first of the group, the mark
// rises instead of a delete.
func (g *timerGroup) remove(position []byte, hasFired bool) error {
	at, found := g.find(position)
	if !found && (at < len(g.cachedTimers) || !g.hasUncached) {
		return nil
	}
	if err := g.removeRow(position, hasFired && found && at == 0); err != nil || !found {
		return err
	}
	g.cachedTimers = slices.Delete(g.cachedTimers, at, at+1)
	if len(g.cachedTimers) == 0 && g.hasUncached {
		if err := g.refill(position); err != nil {
			g.queue.failed = err
			return err
		}
	}
	if at == 0 {
		g.queue.changed(g)
	}
	return nil
}

// removeRow deletes the row of a timer or, if the timer has fired, raises the mark to it.
func (g *timerGroup) removeRow(position []byte, hasFired bool) error {
	db := g.queue.backend.db
	if !hasFired || string(position) <= g.mark {
		return wrapLSMError(db.Delete(g.rowOf(position)))
	}
	if err := db.Put(g.section(markSection), position); err != nil {
		return wrapLSMError(err)
	}
	g.raise(g.cachedTimers[0])
	return nil
}

// raise sets the mark after the tree has it, and gives it to compactions.
func (g *timerGroup) raise(mark string) {
	g.mark = mark
	g.sharedMark.Store(&mark)
}

// refill caches the first timers after a position. The group must have no timers up to it.
func (g *timerGroup) refill(position []byte) error {
	g.hasUncached = false
	g.mayHaveLate = g.mayHaveLate && string(position) < g.mark
	return g.scan(string(position), func(position []byte) bool {
		if len(g.cachedTimers) == g.queue.maxTimersInMemory {
			g.hasUncached = true
			return false
		}
		g.cachedTimers = append(g.cachedTimers, string(position))
		return true
	})
}

// load reads the mark and the first timers from the tree.
func (g *timerGroup) load() error {
	mark, found, err := g.queue.backend.db.Get(g.section(markSection), nil)
	if err != nil {
		return wrapLSMError(err)
	}
	if found {
		g.mayHaveLate = true
		g.raise(string(mark))
	}
	return g.refill(nil)
}

// count returns the number of timers.
func (g *timerGroup) count() (n int, err error) {
	n = len(g.cachedTimers)
	if g.hasUncached {
		err = g.scan(g.cachedTimers[n-1], func([]byte) bool { n++; return true })
	}
	return n, err
}

// scan calls yield with the positions of timers after a position, until yield returns false.
func (g *timerGroup) scan(after string, yield func(position []byte) bool) error {
	if g.mayHaveLate && after < g.mark {
		if more, err := g.scanSection(lateSection, after, yield); err != nil || !more {
			return err
		}
	}
	_, err := g.scanSection(timerSection, max(after, g.mark), yield)
	return err
}

// scanSection is scan for one section. It returns the last result of yield as more.
func (g *timerGroup) scanSection(s section, after string, yield func(position []byte) bool) (more bool, err error) {
	it, err := g.queue.backend.db.Prefix(g.section(s))
	if err != nil {
		return false, wrapLSMError(err)
	}
	key := append(append(g.section(s), after...), 0)
	more = true
	for ok := it.Seek(key); ok; ok = more && it.Next() {
		more = yield(it.Key()[sectionSize:])
	}
	return more, wrapLSMError(errors.Join(it.Err(), it.Close()))
}
