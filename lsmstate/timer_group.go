package lsmstate

import (
	"errors"
	"slices"
	"sync/atomic"
)

// timerGroup is the timers of one domain and one key group, in the order in which
// they fire: the late ones and then the others, that is by position.
//
// A timer that fires leaves no tombstone: the mark rises to its position, and hides
// the row until a compaction drops it. One that is registered at or below the mark
// goes to another section, for late ones, and is deleted when it has fired.
//
// Invariants: known has the first timers of the group, and if it is empty there are
// none; the mark is below all timers that are not late; the tree has the mark.
type timerGroup struct {
	queue  *timerQueue
	number uint16
	place  int      // in the heap
	known  []string // positions, ascending
	more   bool     // there may be timers behind those that are known
	late   bool     // there may be late ones
	mark   string   // below all positions at first
	fired  *atomic.Pointer[string]
	key    []byte // scratch
}

// first is the position of the first timer. There must be one.
func (g *timerGroup) first() string { return g.known[0] }

// rowOf is the key of a timer's row. It is good until the next call.
func (g *timerGroup) rowOf(position []byte) []byte {
	s := timerSection
	if string(position) <= g.mark {
		s = lateSection
	}
	return append(g.section(s), position...)
}

// section is what the keys of a section begin with. It is good until the next call.
func (g *timerGroup) section(s section) []byte {
	g.key = appendSection(g.key[:0], g.number, g.queue.id, s.of(g.queue.domain))
	return g.key
}

// find says where among the known ones a position is or would be.
func (g *timerGroup) find(position []byte) (at int, found bool) {
	return slices.BinarySearchFunc(g.known, position, func(known string, position []byte) int {
		switch { // neither side is copied
		case known < string(position):
			return -1
		case known > string(position):
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
		return ofTree(err)
	}
	g.late = g.late || string(position) <= g.mark
	if at == len(g.known) && g.more {
		return nil
	}
	g.known = slices.Insert(g.known, at, string(position))
	if most := g.queue.known; len(g.known) > most {
		g.known, g.more = g.known[:most], true
	}
	if at == 0 {
		g.queue.changed(g)
	}
	return nil
}

// remove takes a timer away. HasFired says that it is the first of the group and need
// not be deleted.
func (g *timerGroup) remove(position []byte, hasFired bool) error {
	at, found := g.find(position)
	if !found && (at < len(g.known) || !g.more) {
		return nil
	}
	if err := g.removeRow(position, hasFired && found && at == 0); err != nil || !found {
		return err
	}
	g.known = slices.Delete(g.known, at, at+1)
	if len(g.known) == 0 && g.more {
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

// removeRow deletes a timer's row, or hides it.
func (g *timerGroup) removeRow(position []byte, hasFired bool) error {
	db := g.queue.backend.db
	if !hasFired || string(position) <= g.mark {
		return ofTree(db.Delete(g.rowOf(position)))
	}
	if err := db.Put(g.section(markSection), position); err != nil {
		return ofTree(err)
	}
	g.raise(g.known[0])
	return nil
}

// raise raises the mark, which the tree has. What compactions see of it is a copy.
func (g *timerGroup) raise(mark string) {
	g.mark = mark
	g.fired.Store(&mark)
}

// refill reads the first timers behind a position, where there are none before.
func (g *timerGroup) refill(position []byte) error {
	g.more = false
	g.late = g.late && string(position) < g.mark
	return g.scan(string(position), func(position []byte) bool {
		if len(g.known) == g.queue.known {
			g.more = true
			return false
		}
		g.known = append(g.known, string(position))
		return true
	})
}

// load reads the mark and the first timers.
func (g *timerGroup) load() error {
	mark, found, err := g.queue.backend.db.Get(g.section(markSection), nil)
	if err != nil {
		return ofTree(err)
	}
	if found {
		g.late = true
		g.raise(string(mark))
	}
	return g.refill(nil)
}

// count is the number of timers.
func (g *timerGroup) count() (n int, err error) {
	n = len(g.known)
	if g.more {
		err = g.scan(g.known[n-1], func([]byte) bool { n++; return true })
	}
	return n, err
}

// scan calls yield with the positions of timers behind one, until it returns false.
func (g *timerGroup) scan(after string, yield func(position []byte) bool) error {
	if g.late && after < g.mark {
		if more, err := g.scanSection(lateSection, after, yield); err != nil || !more {
			return err
		}
	}
	_, err := g.scanSection(timerSection, max(after, g.mark), yield)
	return err
}

// scanSection is scan for one section. More is what yield returned last.
func (g *timerGroup) scanSection(s section, after string, yield func(position []byte) bool) (more bool, err error) {
	it, err := g.queue.backend.db.Prefix(g.section(s))
	if err != nil {
		return false, ofTree(err)
	}
	key := append(append(g.section(s), after...), 0)
	more = true
	for ok := it.Seek(key); ok; ok = more && it.Next() {
		more = yield(it.Key()[sectionSize:])
	}
	return more, ofTree(errors.Join(it.Err(), it.Close()))
}
