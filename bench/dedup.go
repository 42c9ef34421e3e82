package main

import (
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

// dedup is the operator that lets each flight through once. Its state, a mark
// for every flight there ever was, is nearly as large as the input.
type dedup struct {
	backend  snapshot.Backend
	byFlight *state.Keyed[flight]
	seen     state.ValueState[bool]
}

func newDedup(open opener) (*dedup, error) {
	backend, err := open()
	if err != nil {
		return nil, err
	}
	d := &dedup{backend: backend}
	if d.byFlight, err = state.NewKeyed(backend, flightCodec); err != nil {
		return nil, err
	}
	d.seen, err = state.ValueOf(d.byFlight, state.ValueDescriptor[bool]{Name: "seen", Codec: codec.Bool[bool]()})
	return d, err
}

// isNew says whether this is the first time that it is asked about a flight.
func (d *dedup) isNew(f flight) (bool, error) {
	if err := d.byFlight.SetKey(f); err != nil {
		return false, err
	}
	if _, seen, err := d.seen.Get(); err != nil || seen {
		return false, err
	}
	return true, d.seen.Set(true)
}
