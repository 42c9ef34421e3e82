package cow

import "sync/atomic"

// Unit is a group of arrays that are frozen together, with other data of their owner: for
// example the columns of a table and the index over them.
//
// Taking a unit costs some allocations. If a freeze took every unit, the pause of a snapshot
// would grow with the number of states. So a freeze only opens a Pin, and the unit is taken
// later but before it changes: by the writer before its first change after the freeze, or by
// a reader of the pin when it asks for the unit, whichever comes first.
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

// NewUnit returns a unit that the open pins do not see. Take returns a copy of the unit's
// present content. It is called by the writer or, while the writer does not change the unit,
// by a reader, once for each pin. It must not use the clock, whose mutex is held.
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

// Of returns the unit as it was at the freeze: the result of its take. It returns nil if the
// unit is newer than the freeze, or the pin is closed. Any goroutine may call it.
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
