// Package cow provides paged copy-on-write arrays. All arrays of a Clock are frozen
// together in constant time: a freeze only increments a version number. After a freeze, the
// first write to a Unit copies the small roots of its arrays, and the first write to a page
// copies that page. The heap backends take their snapshots with it. The package knows nothing of
// keys, states or files.
package cow

import (
	"sync"
	"sync/atomic"
)

// Clock numbers the freezes of all arrays that are frozen together.
//
// Problem: a snapshot must see the arrays as they were at one moment while the writer
// continues. To copy them would stop the writer for a time that grows with the state, and to
// mark each page as shared would touch every page.
//
// Idea: version numbers. The clock has a current version. Each page records the version in
// which it was made or last copied. Freeze gives the current version to a Pin and increments
// it; no page is touched. Before the writer changes a page, it compares the page's version
// with the newest pinned version (Shared): the page may be visible to a pin if its version
// is not above that, and then the writer copies the page first and gives the copy the current
// version. Later writes to the copy need no further copy until the next freeze.
//
//	version      1        2        3        4 = now
//	             |--------|--------|--------|---->
//	pins                  P2       P3            Shared() = 3
//	page A  v1   visible to P2 and P3; the next write copies it as v4
//	page B  v3   visible to P3 only;   the next write copies it as v4
//	page C  v4   visible to no pin;    written in place
//
// When pins are closed, Shared falls, and pages that only those pins saw are written in place
// again. Only frozen roots refer to pages that the writer has replaced by copies, so the garbage
// collector frees these pages with the pins.
//
// A pin holds array roots only for units that it has captured. The other units have not changed
// since its freeze (see Unit), so the pin sees the pages that their arrays have now.
//
// Invariant: once a pin has captured a unit, it sees exactly the pages to which the captured roots
// refer. No page that a pin sees has a version above the pin's.
//
// Invariant: a page with a version up to Shared is not changed in place.
//
// Invariant: now is above the version of every pin, open or closed.
//
// Cost: Freeze is O(1) and one allocation. Closing a pin is O(open pins). A check before a
// write is one atomic load.
//
// The scheme is that of persistent data structures by path copying (Driscoll, Sarnak, Sleator
// and Tarjan, Making Data Structures Persistent, JCSS 38, 1989), with versions in the place
// of reference counts, as google/btree does with the owner of a node.
//
// Thread safety: Freeze, Now and NewUnit are for the arrays' only writer. Shared and the
// methods of Pin are safe for concurrent use. But Close must be called after the last read of a
// Frozen of the pin, because the writer may then change the pages in place.
type Clock struct {
	now    uint64        // the version that pages written now receive; above every pin
	shared atomic.Uint64 // the highest version of an open pin, 0 if no pin is open
	copied int64         // bytes of pages that the writer has copied so far

	mu   sync.Mutex
	pins map[*Pin]struct{}
}

// NewClock returns a clock at version 1 without pins.
func NewClock() *Clock {
	return &Clock{now: 1, pins: make(map[*Pin]struct{})}
}

// Now returns the current version: the one that new pages and copies of pages must record.
func (c *Clock) Now() uint64 { return c.now }

// Shared returns the highest version of an open pin, 0 if no pin is open. Pages and
// directories with a version up to Shared must be copied before they are written.
func (c *Clock) Shared() uint64 { return c.shared.Load() }

// RetainedBytes returns an upper bound of the memory of the pages that the writer has replaced by
// copies and pins still see, in bytes. It does not include what elements refer to. Only the writer
// may call it.
func (c *Clock) RetainedBytes() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	oldest := c.copied
	for p := range c.pins {
		oldest = min(oldest, p.copied)
	}
	return c.copied - oldest
}

// Freeze pins the current version and starts the next one, in constant time. Each unit is
// captured for the pin later, before it next changes: see Unit.
func (c *Clock) Freeze() *Pin {
	p := &Pin{clock: c, version: c.now, copied: c.copied}
	c.now++
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pins[p] = struct{}{}
	c.shared.Store(p.version)
	return p
}

// Pin keeps one frozen version readable until Close.
//
// Thread safety: safe for concurrent use.
type Pin struct {
	clock   *Clock
	version uint64
	copied  int64         // Clock.copied at the freeze
	units   map[*Unit]any // the captured content of units; guarded by the clock's mutex
}

// Close ends the pin. No reader may use the pin's frozen arrays any more: the writer may change
// in place the pages that only this pin saw. Old versions of pages that the writer has replaced
// by copies become garbage, unless another pin sees them. Close is idempotent.
func (p *Pin) Close() {
	c := p.clock
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.pins, p)
	p.units = nil
	highest := uint64(0)
	for q := range c.pins {
		highest = max(highest, q.version)
	}
	c.shared.Store(highest)
}
