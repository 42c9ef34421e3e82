package backend

import "github.com/weirstate/weir/internal/cow"

// Pin is a snapshot of the tables and other units of a backend. Of returns a Unit as it was at
// the moment of the snapshot; any goroutine may call it. Close ends the snapshot; a second
// Close does nothing.
type Pin = cow.Pin

// Unit is data that is frozen together at a snapshot: a table with its index, or a queue of
// timers. The code that changes the data must call Touch first.
type Unit = cow.Unit

// Freeze starts a snapshot of all tables and units. Its time depends neither on their sizes nor
// on their number: a unit is copied later, before its next change or at the first Pin.Of. Freeze
// also releases the memory of up to 64 tables that have been empty since the last snapshot.
func (r *Registry) Freeze() *Pin {
	r.idle.trim()
	return r.clock.Freeze()
}

// NewUnit returns a unit. Take must return a frozen copy of the unit's data. The task or the
// reader of a snapshot calls it, never during a change of the unit.
func (r *Registry) NewUnit(take func() any) *Unit { return r.clock.NewUnit(take) }
