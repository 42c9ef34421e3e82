package cow

import "sync/atomic"

// Unit is a group of arrays, and other data of their owner, that are captured together: for
// example the columns of a table and the index over them.
//
// Problem: to capture a unit, that is to copy the roots of its arrays, costs some allocations.
// If Freeze captured every unit, the pause of a snapshot would grow with the number of states,
// and a program may declare thousands.
//
// Idea: capture late. Freeze only opens a Pin. A unit is captured for the pin before the unit
// next changes: by the writer, in Touch, before its first change after the freeze; or by a
// reader of the pin, in Of, when it asks for the unit; whichever is first. That call
// captures the unit for all open pins that need it.
//
//	freeze          writer changes A         reader asks for B
//	  |                    |                        |
//	  pin: empty           pin: A                   pin: A, B
//
// Invariant: if an open pin has not captured the unit yet, the unit has not changed since the
// freeze of that pin.
//
// Invariant: every open pin with a version up to captured has the unit, unless the unit is
// newer than the pin.
//
// Cost: a Touch without an open pin, or with an up-to-date capture, is two atomic loads. The
// first Touch after a freeze takes the clock's mutex and calls the capture function.
//
// Thread safety: Touch is for the writer only. Readers use Pin.Of.
type Unit struct {
	clock   *Clock
	capture func() any
	// captured is the version up to which pins have the unit: see the invariant. It changes
	// under the clock's mutex.
	captured atomic.Uint64
}

// NewUnit returns a unit that pins which are open now do not see. The function capture returns
// a copy of the unit's current content. It is called once for each pin: by the writer, or by a
// reader while the writer does not change the unit. It must not use the clock, because the
// clock's mutex is held.
func (c *Clock) NewUnit(capture func() any) *Unit {
	u := &Unit{clock: c, capture: capture}
	u.captured.Store(c.now - 1)
	return u
}

// Touch must be called before the unit changes. The unit's arrays call it themselves.
func (u *Unit) Touch() {
	if u.captured.Load() >= u.clock.Shared() {
		return
	}
	u.clock.mu.Lock()
	defer u.clock.mu.Unlock()
	u.captureForPins()
}

// captureForPins captures the unit for every open pin that may see it and does not have it.
// The caller holds the clock's mutex.
func (u *Unit) captureForPins() {
	captured := u.captured.Load()
	for p := range u.clock.pins {
		if p.version <= captured {
			continue
		}
		if p.units == nil {
			p.units = make(map[*Unit]any)
		}
		p.units[u] = u.capture()
	}
	u.captured.Store(max(captured, u.clock.Shared()))
}

// Of returns the unit as it was at the freeze: the result of its capture function. It returns
// nil if the unit is newer than the freeze, or if the pin is closed.
func (p *Pin) Of(u *Unit) any {
	p.clock.mu.Lock()
	defer p.clock.mu.Unlock()
	if _, open := p.clock.pins[p]; !open {
		return nil
	}
	if p.version > u.captured.Load() {
		u.captureForPins()
	}
	return p.units[u]
}
