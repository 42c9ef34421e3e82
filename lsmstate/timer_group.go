package lsmstate

import (
	"errors"
	"strings"
	"sync/atomic"

	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/state/backend"
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
//	timerSection   | t=1 | t=3 | t=5 | t=9 | t=12 ...   rows ordered by position
//	                fired fired  in memory    rest
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
// The first timers of the group are in the memory of the queue. The rest of the group is a position:
// timers from there on may be in the tree only.
//
// Invariant: every timer below the rest is in memory; if there is no rest, every timer is.
//
// Invariant: a row of timerSection is a pending timer exactly if its position is above the mark.
// Rows of lateSection are pending timers at or below the mark.
//
// Invariant: the mark never falls. It rises to the first timer, which is below the rest, and then no
// timer is at or below it. So a timer stays in its section.
//
// Cost: a refill reads some rows with one seek per section.
type timerGroup struct {
	queue  *timerQueue
	number uint16 // key group
	mark   timer  // position of the timer that fired last; the least position before the first one fires
	// isRisen is set if the mark has risen in this epoch of the tier.
	isRisen bool
	hasRest bool
	rest    timer                  // an item of the queue's memory, if hasRest is true
	shared  *atomic.Pointer[timer] // the mark for firedTimerFilter
}

// isLateAt reports whether a timer at a position is late.
func (g *timerGroup) isLateAt(position timer) bool { return comparePositions(position, g.mark) <= 0 }

// isComplete reports whether a timer at a position is in memory if it exists.
func (g *timerGroup) isComplete(position timer) bool {
	return !g.hasRest || comparePositions(position, g.rest) < 0
}

// setRest moves the rest to a position.
func (g *timerGroup) setRest(position timer) {
	g.dropRest()
	g.rest = timer{timestamp: position.timestamp, row: position.row, group: g.number, flags: isRest}
	g.hasRest = true
	g.queue.memory.ReplaceOrInsert(g.rest)
	g.queue.rests++
}

// dropRest records that all timers are in memory.
func (g *timerGroup) dropRest() {
	if g.hasRest {
		g.queue.memory.Delete(g.rest)
		g.queue.rests--
	}
	g.hasRest = false
}

// load reads the mark from the tree. It leaves all timers there.
func (g *timerGroup) load() error {
	value, found, err := g.queue.backend.db.Get(g.section(markSection), nil)
	if err != nil {
		return wrapLSMError(err)
	}
	if found {
		g.mark.timestamp, g.mark.row = splitPosition(string(value))
		g.share(g.mark)
	}
	g.setRest(leastPosition)
	return nil
}

// share gives a mark to compactions. The tree must have it.
func (g *timerGroup) share(mark timer) { g.shared.Store(&mark) }

// section returns the common prefix of the keys in a section.
func (g *timerGroup) section(s section) []byte {
	return appendSection(nil, g.number, g.queue.id, s.of(g.queue.domain))
}

// refill reads the next timers of the rest into memory, at most the number batch of the queue. After
// an error it has changed nothing.
func (g *timerGroup) refill() error {
	q := g.queue
	read, last, more := q.read[:0], timer{}, false
	n := 0
	err := g.scan(func(t timer, inMemory bool) bool {
		if n == q.batch {
			more = true
			return false
		}
		if n++; !inMemory {
			t.row = strings.Clone(t.row)
			read = append(read, t)
		}
		last = t
		return true
	})
	if err != nil {
		return err
	}
	if g.dropRest(); more {
		g.setRest(last.after())
	}
	for _, t := range read {
		q.keep(t)
	}
	clear(read)
	q.read = read
	q.trim()
	return nil
}

// scan calls yield with the timers of the rest that are in the tree, in the order of positions, until
// yield returns false. If inMemory is true, the timer is in memory too. Otherwise its row is valid
// until yield returns.
func (g *timerGroup) scan(yield func(t timer, inMemory bool) bool) error {
	from := g.rest
	if g.isLateAt(from) {
		if more, err := g.scanSection(lateSection, from, yield); err != nil || !more {
			return err
		}
		from = g.mark.after()
	}
	_, err := g.scanSection(timerSection, from, yield)
	return err
}

// scanSection is scan for one section, from a position on. It returns the last result of yield as
// more.
func (g *timerGroup) scanSection(s section, from timer, yield func(timer, bool) bool) (more bool, err error) {
	prefix := g.section(s)
	it, err := g.queue.backend.db.Prefix(prefix)
	if err != nil {
		return false, wrapLSMError(err)
	}
	more = true
	for ok := it.Seek(appendPosition(prefix, from.timestamp, from.row)); ok; ok = more && it.Next() {
		t, inMemory, isDeleted := g.queue.lastChange(g.decode(s, it))
		more = isDeleted || yield(t, inMemory)
	}
	return more, wrapLSMError(errors.Join(it.Err(), it.Close()))
}

// decode returns the timer of an iterator's row. Its row is valid until the next step.
func (g *timerGroup) decode(s section, it *lsm.Iterator) timer {
	t := backend.TimerEntry{Group: g.number}
	t.Timestamp, t.Row = splitPosition(it.Key()[sectionSize:])
	found := lookupTimer(t)
	if s == lateSection {
		found.flags = isLate
	}
	return found
}
