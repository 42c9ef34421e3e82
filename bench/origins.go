package main

import (
	"errors"
	"slices"

	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

// origins is the operator that keeps, for each airport that flights leave,
// their number, their worst and mean delay and where they go; and the delays of
// the day, which it reports and forgets at midnight. It uses every kind of
// state there is.
type origins struct {
	backend      snapshot.Backend
	byOrigin     *state.Keyed[airport]
	flights      state.ValueState[int64]
	worst        state.ReducingState[int16]
	mean         state.AggregatingState[int16, float64]
	destinations state.MapState[airport, int64]
	today        state.ListState[int16]
	midnight     *state.Timers[airport]
	days         *dayReports // where reports go
}

func newOrigins(open opener, days *dayReports) (*origins, error) {
	backend, err := open()
	if err != nil {
		return nil, err
	}
	o := &origins{backend: backend, days: days}
	return o, o.declare()
}

func (o *origins) declare() (err error) {
	if o.byOrigin, err = state.NewKeyed(o.backend, codec.Int[airport]()); err != nil {
		return err
	}
	if o.flights, err = state.ValueOf(o.byOrigin, state.ValueDescriptor[int64]{
		Name: "flights", Codec: codec.Int[int64](),
	}); err != nil {
		return err
	}
	if o.worst, err = state.ReducingOf(o.byOrigin, state.ReducingDescriptor[int16]{
		Name: "worst delay", Codec: codec.Int[int16](),
		Reduce: func(old, next int16) (int16, error) { return max(old, next), nil },
	}); err != nil {
		return err
	}
	if o.mean, err = state.AggregatingOf(o.byOrigin, meanDelay); err != nil {
		return err
	}
	if o.destinations, err = state.MapOf(o.byOrigin, state.MapDescriptor[airport, int64]{
		Name: "destinations", Key: codec.Int[airport](), Value: codec.Int[int64](),
	}); err != nil {
		return err
	}
	if o.today, err = state.ListOf(o.byOrigin, state.ListDescriptor[int16]{
		Name: "delays of the day", Codec: codec.Int[int16](),
	}); err != nil {
		return err
	}
	o.midnight, err = state.TimersOf(o.byOrigin, "midnight")
	return err
}

// total is the accumulator of meanDelay.
type total struct{ sum, count int64 }

var meanDelay = state.AggregatingDescriptor[int16, total, float64]{
	Name: "mean delay",
	Codec: codec.Struct("total", 1,
		codec.Field("sum", func(t *total) *int64 { return &t.sum }, codec.Int[int64]()),
		codec.Field("count", func(t *total) *int64 { return &t.count }, codec.Int[int64]())),
	Create: func() total { return total{} },
	Add:    func(t total, delay int16) (total, error) { return total{t.sum + int64(delay), t.count + 1}, nil },
	Merge:  func(t, u total) (total, error) { return total{t.sum + u.sum, t.count + u.count}, nil },
	Result: func(t total) (float64, error) { return float64(t.sum) / float64(t.count), nil },
}

// count adds a flight to its origin.
func (o *origins) count(f flight) error {
	if err := o.byOrigin.SetKey(f.origin); err != nil {
		return err
	}
	flights, _, err := o.flights.Get()
	if err != nil {
		return err
	}
	there, _, err := o.destinations.Get(f.destination)
	if err != nil {
		return err
	}
	return errors.Join(
		o.flights.Set(flights+1),
		o.worst.Add(f.delay),
		o.mean.Add(f.delay),
		o.destinations.Put(f.destination, there+1),
		o.today.Add(f.delay),
		o.midnight.Register(state.EventTime, int64(f.minute.midnight()), nil),
	)
}

// advance reports every day that is over at a time.
func (o *origins) advance(now minute) error {
	return o.midnight.Advance(state.EventTime, int64(now), o.endDay)
}

// endDay reports the delays of the origin that the timer is for.
func (o *origins) endDay(t state.Timer[airport]) error {
	delays, err := o.today.Get()
	if err != nil {
		return err
	}
	o.days.add(dayReport{
		day: minute(t.Timestamp) - minutesPerDay, origin: t.Key,
		flights: len(delays), median: median(delays), lateRun: longestLateRun(delays),
	})
	return o.today.Clear()
}

// totals reads what is known of every origin.
func (o *origins) totals() (reports []originReport, err error) {
	for origin, err := range o.byOrigin.Keys("flights", nil) {
		if err != nil {
			return nil, err
		}
		report, err := o.total(origin)
		if err != nil {
			return nil, err
		}
		reports = append(reports, report)
	}
	return reports, nil
}

func (o *origins) total(origin airport) (r originReport, err error) {
	r.origin = origin
	if err := o.byOrigin.SetKey(origin); err != nil {
		return r, err
	}
	if r.flights, _, err = o.flights.Get(); err != nil {
		return r, err
	}
	if r.worst, _, err = o.worst.Get(); err != nil {
		return r, err
	}
	if r.mean, _, err = o.mean.Get(); err != nil {
		return r, err
	}
	for destination, err := range o.destinations.All() {
		if err != nil {
			return r, err
		}
		r.destinations = append(r.destinations, destination)
	}
	return r, nil
}

// median is the middle delay, the lower one of two; 0 of none.
func median(delays []int16) int16 {
	if len(delays) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(delays))
	return sorted[(len(sorted)-1)/2]
}

// lateMinutes is the delay from which the Department of Transportation counts a
// flight as late.
const lateMinutes = 15

// longestLateRun is the largest number of late flights one after the other.
func longestLateRun(delays []int16) (longest int) {
	run := 0
	for _, delay := range delays {
		run++
		if delay < lateMinutes {
			run = 0
		}
		longest = max(longest, run)
	}
	return longest
}
