package job

import (
	"context"
	"fmt"

	"github.com/weirstate/weir/state"
)

// Task is what an operator works with: one for each subtask and attempt.
//
// Thread safety: the subtask's goroutine only, as for all that it hands out.
type Task[K, Out any] struct {
	ctx       context.Context
	keyed     *state.Keyed[K]
	subtask   int
	watermark int64
	services  []timerService[K]
	out       outlets[Out]
	emitted   uint64
	running   bool
	failed    error // of Emit: it ends the attempt even if the operator ignores it
}

// emitsPerLook is the number of elements that Emit takes between two looks at the
// context, each of which costs as much as an element on its way. 16 elements of 5 ms
// are below the 100 ms in which a job is to end.
const emitsPerLook = 16

type timerService[K any] struct {
	timers *state.Timers[K]
	fire   func(state.Timer[K]) error
}

// Context returns the context of the attempt that the task belongs to. It ends when
// the job is canceled or the attempt fails. Functions of the program that can take
// long, such as those that wait for another system, must then return: the job waits
// for them. Between two elements and two timers the job sees to that itself. The
// functions of states and windows have no context among their arguments and take this
// one, as they take the task.
func (t *Task[K, Out]) Context() context.Context { return t.ctx }

// Keyed is where the operator declares its state.
func (t *Task[K, Out]) Keyed() *state.Keyed[K] { return t.keyed }

// Timers declares a timer service. Fire is called for each timer that the
// watermark (event time, in the stream's unit) or the clock (processing time, in
// Unix milliseconds) has reached, with the timer's key as the current one. It is
// not told which of the two: services of their own tell them apart. After the
// last element the watermark is math.MaxInt64 and fires all timers of event
// time; those of processing time that are not due are dropped.
func (t *Task[K, Out]) Timers(name string, fire func(state.Timer[K]) error) (*state.Timers[K], error) {
	if fire == nil {
		return nil, fmt.Errorf("%w: timers %q: no function", ErrInvalid, name)
	}
	timers, err := state.TimersOf(t.keyed, name)
	if err != nil {
		return nil, err
	}
	t.services = append(t.services, timerService[K]{timers, func(timer state.Timer[K]) error {
		if err := ended(t.ctx); err != nil {
			return err
		}
		return fire(timer)
	}})
	return timers, nil
}

// fire fires the timers that are due, and those that fall due by it.
func (t *Task[K, Out]) fire(d state.Domain, now int64) error {
	for again := true; again; {
		again = false
		for _, s := range t.services {
			next, ok, err := s.timers.Next(d)
			if err != nil {
				return err
			}
			if !ok || next > now {
				continue
			}
			if err := s.timers.Advance(d, now, s.fire); err != nil {
				return err
			}
			again = len(t.services) > 1
		}
	}
	return t.failed
}

// Emit puts an element out. It waits while a receiver has too much already, and
// the element may wait for more to travel with, at most until this subtask has
// nothing to do or the watermark rises. An error ends the attempt; soon after the end
// of Context there is one.
func (t *Task[K, Out]) Emit(e Event[Out]) error {
	if !t.running {
		return ErrOpening
	}
	var err error
	if t.emitted++; t.emitted%emitsPerLook == 0 {
		err = ended(t.ctx)
	}
	if err == nil {
		err = t.out.send(e)
	}
	if err != nil && t.failed == nil {
		t.failed = err
	}
	return err
}

// Watermark is the event time up to which all elements have come, math.MinInt64
// at first and math.MaxInt64 after the last one. It never goes back, and after a restore
// it is what it was in the checkpoint.
func (t *Task[K, Out]) Watermark() int64 { return t.watermark }

// Subtask is the number of this subtask, from 0.
func (t *Task[K, Out]) Subtask() int { return t.subtask }
