package flightjob

import (
	"github.com/weirstate/weir/internal/bench/dataset"
	"github.com/weirstate/weir/job"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

// dedup is the operator that emits each flight once. It remembers the flights of a day until the
// watermark has passed the end of the day. A repeated flight has the same event time, so none
// can arrive later. The state holds the flights of a day and some hours.
type dedup struct {
	task     *job.Task[routeDay, dataset.Flight]
	seen     state.MapState[restOfFlight, bool]
	midnight *state.Timers[routeDay]
}

// routeDay is a route, in the upper 32 bits, and a day. It is the key of the state: there are
// few flights on one route on one day.
type routeDay uint64

// routeDayOf returns the route and day of a flight.
func routeDayOf(f dataset.Flight) routeDay {
	return routeDay(f.Route())<<32 | routeDay(f.Minute.Day())
}

// restOfFlight holds the fields of a flight that are not in its routeDay: from the highest bits,
// the minute of the day, the delay in 16 bits and the distance in 16 bits.
type restOfFlight uint64

// restOf returns the fields of f that are not in its routeDay.
func restOf(f dataset.Flight) restOfFlight {
	return restOfFlight(f.Minute%dataset.MinutesPerDay)<<32 | restOfFlight(uint16(f.Delay))<<16 | restOfFlight(f.Distance)
}

func openDedup(task *job.Task[routeDay, dataset.Flight]) (func(job.Event[dataset.Flight]) error, error) {
	d := &dedup{task: task}
	var err error
	if d.seen, err = state.MapOf(task.Keyed(), state.MapDescriptor[restOfFlight, bool]{
		Name: "seen", Key: codec.Int[restOfFlight](), Value: codec.Bool[bool](),
	}); err != nil {
		return nil, err
	}
	d.midnight, err = task.Timers("midnight", func(state.Timer[routeDay]) error { return d.seen.Clear() })
	return d.process, err
}

func (d *dedup) process(e job.Event[dataset.Flight]) error {
	rest := restOf(e.Value)
	seen, err := d.seen.Contains(rest)
	if err != nil || seen {
		return err
	}
	first, err := d.seen.IsEmpty()
	if err != nil {
		return err
	}
	if first {
		end := e.Value.Minute.Day().LastMinute().EventTime()
		if err := d.midnight.Register(state.EventTime, end, nil); err != nil {
			return err
		}
	}
	if err := d.seen.Put(rest, true); err != nil {
		return err
	}
	return d.task.Emit(e)
}
