package cow

import "sync/atomic"

// Unit is what a freeze takes as one: arrays, and whatever else its owner freezes with
// them, such as the columns of a table with the index over them.
//
// Taking a unit costs some allocations. If a freeze took every unit, the pause of a snapshot
// would grow with the number of states. So a freeze only opens a Pin, and a unit is taken
// later, as it still is: before the first change after the freeze, by the writer, or when a
// reader of the pin first asks for it, whichever comes first.
//
//	freeze        writer changes A       reader asks for B
//	  |                  |                      |
//	  pin: -             pin: A                 pin: A, B
//
// Invariant: a unit is unchanged since the newest open pin that does not have it.
//
// Thread safety: Touch is for the writer.
type Unit struct {
	clock *Clock
	take  func() any
	// taken is a version up to which every open pin that may see the unit has it. It
	// changes under the mutex of the clock.
	taken atomic.Uint64
}

// NewUnit returns a unit that the pins that are open do not have. Take returns it as it is:
// it is called by the writer or, while the writer does not change the unit, by a reader, and
// must not use the clock.
func (c *Clock) NewUnit(take func() any) *Unit {
	u := &Unit{clock: c, take: take}
	u.taken.Store(c.now - 1)
	return u
}

// Touch must be called before the unit changes. Its arrays call it themselves.
func (u *Unit) Touch() {
	if u.taken.Load() >= u.clock.Shared() {
		return
	}
	u.clock.mu.Lock()
	defer u.clock.mu.Unlock()
	u.giveOut()
}

// giveOut gives the unit to every pin that may see it and does not have it. The mutex of
// the clock is held.
func (u *Unit) giveOut() {
	taken := u.taken.Load()
	for p := range u.clock.pins {
		if p.version <= taken {
			continue
		}
		if p.units == nil {
			p.units = make(map[*Unit]any)
		}
		p.units[u] = u.take()
	}
	u.taken.Store(max(taken, u.clock.Shared()))
}

// Of returns a unit as it was at the freeze, which is what its take returned; nil if the
// unit is newer, or the pin was released. It may be called by any goroutine.
func (p *Pin) Of(u *Unit) any {
	p.clock.mu.Lock()
	defer p.clock.mu.Unlock()
	if _, open := p.clock.pins[p]; !open {
		return nil
	}
	if p.version > u.taken.Load() {
		u.giveOut()
	}
	return p.units[u]
}
