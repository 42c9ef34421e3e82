package backend

import "github.com/weirstate/weir/internal/cow"

// Pin holds a backend's tables and its other units as they were at one moment. Its Of
// returns a Unit as it was; any goroutine may call it. Close ends the snapshot; it is
// idempotent.
type Pin = cow.Pin

// Unit is data that a heap backend keeps beside its tables and freezes with them, such as a
// queue of timers. Its Touch must be called before each change.
type Unit = cow.Unit

// Freeze starts a snapshot of all tables and units, in time that depends neither on what
// they hold nor on how many there are: each is taken before it next changes, or when the
// snapshot first asks for it. Before that it gives back the memory of some tables that have
// been empty since the last snapshot.
func (r *Registry) Freeze() *Pin {
	r.idle.trim()
	return r.clock.Freeze()
}

// NewUnit returns a unit. Take returns it as it is now. It may be called by the goroutine
// that reads a snapshot, but only while the unit does not change.
func (r *Registry) NewUnit(take func() any) *Unit { return r.clock.NewUnit(take) }
