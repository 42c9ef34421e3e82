// Package cow holds paged arrays that can be frozen in time that depends
// neither on what they hold nor on how many there are: a freeze numbers a
// version. The first write to an array afterwards copies a small root, and the
// first write to a page copies that page. It is the whole snapshot story of the
// heap backends. The package knows nothing of keys, states or files.
package cow

import (
	"sync"
	"sync/atomic"
)

// Clock numbers the freezes of all arrays that are frozen together.
//
// A page carries the version in which it was last copied. A freeze takes the
// present version and starts the next one, so a page is visible to a freeze
// exactly if the page's version is not above the freeze's.
//
// Thread safety: Freeze, Now and NewUnit are for the arrays' one writer; Shared
// and the methods of Pin may be called from anywhere.
type Clock struct {
	now    uint64        // version that pages written now receive; above every pin
	shared atomic.Uint64 // highest version that a pin still sees, 0 if there is none

	mu   sync.Mutex
	pins map[*Pin]struct{}
}

// NewClock returns a clock at version 1 with nothing frozen.
func NewClock() *Clock {
	return &Clock{now: 1, pins: make(map[*Pin]struct{})}
}

// Now is the version that a page copied now must carry.
func (c *Clock) Now() uint64 { return c.now }

// Shared is the highest version that some pin still sees. Whatever carries a
// version up to it must be copied before it is written.
func (c *Clock) Shared() uint64 { return c.shared.Load() }

// Freeze pins the present version and starts the next, in constant time. The
// units that belong to the freeze are taken later: see Unit.
func (c *Clock) Freeze() *Pin {
	p := &Pin{clock: c, version: c.now}
	c.now++
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pins[p] = struct{}{}
	c.shared.Store(p.version)
	return p
}

// Pin keeps one frozen version readable.
type Pin struct {
	clock   *Clock
	version uint64
	units   map[*Unit]any // that were taken; the mutex of the clock
}

// Close lets the writer write in place again what only this pin saw, and
// leaves the pages copied on its account to the garbage collector. Releasing
// twice does nothing.
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
