package flightjob

import (
	"encoding/binary"
	"math"

	"github.com/weirstate/weir/internal/bench/dataset"
	"github.com/weirstate/weir/job"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
	"github.com/weirstate/weir/window"
)

// origins is the operator for the figures of each origin. At the end of the input it emits the
// number of flights, their worst and mean delay and the number of flights by destination; at
// the end of each day, the delays of that day; at the end of each hour, the number and delays
// of its flights. It uses every kind of state.
type origins struct {
	task         *job.Task[dataset.Airport, string]
	flights      state.ValueState[int64]
	worst        state.ReducingState[int16]
	mean         state.AggregatingState[int16, float64]
	destinations state.MapState[dataset.Airport, int64]
	end          *state.Timers[dataset.Airport]
	delays       state.ListState[int16] // the namespace is the day
	midnight     *state.Timers[dataset.Airport]
	hours        *window.Windows[dataset.Airport, int16, punctuality]

	namespace, line []byte // scratch
}

func openOrigins(task *job.Task[dataset.Airport, string]) (func(job.Event[dataset.Flight]) error, error) {
	o := &origins{task: task}
	for _, declare := range []func() error{o.declareTotals, o.declareDays, o.declareHours} {
		if err := declare(); err != nil {
			return nil, err
		}
	}
	return o.process, nil
}

func (o *origins) declareTotals() (err error) {
	keyed := o.task.Keyed()
	if o.flights, err = state.ValueOf(keyed, state.ValueDescriptor[int64]{
		Name: "flights", Codec: codec.Int[int64](),
	}); err != nil {
		return err
	}
	if o.worst, err = state.ReducingOf(keyed, state.ReducingDescriptor[int16]{
		Name: "worst delay", Codec: codec.Int[int16](),
		Reduce: func(old, next int16) (int16, error) { return max(old, next), nil },
	}); err != nil {
		return err
	}
	if o.mean, err = state.AggregatingOf(keyed, meanDelay); err != nil {
		return err
	}
	if o.destinations, err = state.MapOf(keyed, state.MapDescriptor[dataset.Airport, int64]{
		Name: "destinations", Key: codec.Int[dataset.Airport](), Value: codec.Int[int64](),
	}); err != nil {
		return err
	}
	o.end, err = o.task.Timers("end", o.endInput)
	return err
}

func (o *origins) declareDays() (err error) {
	if o.delays, err = state.ListOf(o.task.Keyed(), state.ListDescriptor[int16]{
		Name: "delays of a day", Codec: codec.Int[int16](),
	}); err != nil {
		return err
	}
	o.midnight, err = o.task.Timers("midnight", o.endDay)
	return err
}

func (o *origins) declareHours() (err error) {
	o.hours, err = window.Aggregate(o.task, window.Options[dataset.Airport, int16, punctuality]{
		Assigner: window.Tumbling(dataset.MinutesPerHour*dataset.SecondsPerMinute, 0),
		Emit:     o.endHour,
		Late: func(origin dataset.Airport, time int64, _ int16) error {
			o.line = appendLate(o.line[:0], "hour", time)
			return o.emit(time)
		},
	}, punctualityOf("hours"))
	return err
}

func (o *origins) process(e job.Event[dataset.Flight]) error {
	if err := o.addToTotals(e.Value); err != nil {
		return err
	}
	if err := o.addToDay(e.Value); err != nil {
		return err
	}
	return o.hours.Add(e.Time, e.Value.Delay)
}

func (o *origins) addToTotals(f dataset.Flight) error {
	flights, known, err := o.flights.Get()
	if err != nil {
		return err
	}
	if !known {
		if err := o.end.Register(state.EventTime, math.MaxInt64, nil); err != nil {
			return err
		}
	}
	if err := o.flights.Set(flights + 1); err != nil {
		return err
	}
	if err := o.worst.Add(f.Delay); err != nil {
		return err
	}
	if err := o.mean.Add(f.Delay); err != nil {
		return err
	}
	there, _, err := o.destinations.Get(f.Destination)
	if err != nil {
		return err
	}
	return o.destinations.Put(f.Destination, there+1)
}

// addToDay adds the delay of a flight to the list of its day. It registers the timer of the day
// for every flight: only the first call has an effect.
func (o *origins) addToDay(f dataset.Flight) error {
	day := f.Minute.Day()
	o.namespace = binary.BigEndian.AppendUint32(o.namespace[:0], uint32(day))
	if err := o.delays.SetNamespace(o.namespace); err != nil {
		return err
	}
	if err := o.delays.Add(f.Delay); err != nil {
		return err
	}
	return o.midnight.Register(state.EventTime, day.LastMinute().EventTime(), o.namespace)
}

// endInput emits the totals of an origin.
func (o *origins) endInput(t state.Timer[dataset.Airport]) (err error) {
	r := totals{origin: t.Key}
	if r.flights, _, err = o.flights.Get(); err != nil {
		return err
	}
	if r.worst, _, err = o.worst.Get(); err != nil {
		return err
	}
	if r.mean, _, err = o.mean.Get(); err != nil {
		return err
	}
	for to, err := range o.destinations.All() {
		if err != nil {
			return err
		}
		r.destinations = append(r.destinations, to)
	}
	o.line = r.append(o.line[:0])
	return o.emit(t.Timestamp)
}

func (o *origins) endDay(t state.Timer[dataset.Airport]) error {
	if err := o.delays.SetNamespace(t.Namespace); err != nil {
		return err
	}
	delays, err := o.delays.Get()
	if err != nil {
		return err
	}
	o.line = appendDay(o.line[:0], dataset.TimeOf(t.Timestamp).Day(), t.Key, delays)
	if err := o.emit(t.Timestamp); err != nil {
		return err
	}
	return o.delays.Clear()
}

func (o *origins) endHour(r window.Result[dataset.Airport, punctuality]) error {
	o.line = appendHour(o.line[:0], dataset.TimeOf(r.Window.Start), r.Key, r.Value)
	return o.emit(r.Window.End)
}

// emit emits o.line.
func (o *origins) emit(time int64) error {
	return o.task.Emit(job.Event[string]{Time: time, Value: string(o.line)})
}
