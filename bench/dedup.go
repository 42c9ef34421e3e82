package main

import (
	"github.com/weirstate/weir/job"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

// dedup is the operator that lets each flight through once. It remembers the
// flights of a day until the watermark has passed the day: a repetition has the
// same event time, so none can come after that. A day and some hours of flights
// is what it holds.
type dedup struct {
	task     *job.Task[routeDay, flight]
	seen     state.MapState[restOfFlight, bool]
	midnight *state.Timers[routeDay]
}

// routeDay is a route, the top half, and a day. It is what flights are looked
// up by: few are on one route on one day.
type routeDay uint64

func (f flight) routeDay() routeDay { return routeDay(f.route())<<32 | routeDay(f.minute.day()) }

// restOfFlight is what a flight has besides its routeDay: the minute of the day,
// the delay and the distance, from the top, the last two in 16 bits each.
type restOfFlight uint64

func (f flight) rest() restOfFlight {
	return restOfFlight(f.minute%minutesPerDay)<<32 | restOfFlight(uint16(f.delay))<<16 | restOfFlight(f.distance)
}

func openDedup(task *job.Task[routeDay, flight]) (func(job.Event[flight]) error, error) {
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

func (d *dedup) process(e job.Event[flight]) error {
	rest := e.Value.rest()
	seen, err := d.seen.Contains(rest)
	if err != nil || seen {
		return err
	}
	first, err := d.seen.IsEmpty()
	if err != nil {
		return err
	}
	if first {
		end := e.Value.minute.day().lastMinute().eventTime()
		if err := d.midnight.Register(state.EventTime, end, nil); err != nil {
			return err
		}
	}
	if err := d.seen.Put(rest, true); err != nil {
		return err
	}
	return d.task.Emit(e)
}
