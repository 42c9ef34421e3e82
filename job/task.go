package job

import (
	"context"
	"fmt"

	"github.com/weirstate/weir/state"
)

// Task gives an operator access to its state, timers and output. Each attempt creates one
// Task per subtask.
//
// Thread safety: the subtask's goroutine only. The same holds for the state and the timers
// that the Task returns.
type Task[K, Out any] struct {
	ctx       context.Context
	keyed     *state.Keyed[K]
	subtask   int
	watermark int64
	services  []timerService[K]
	out       outputs[Out]
	emitted   uint64
	running   bool  // Emit is allowed
	failed    error // first error of Emit; ends the attempt even if the operator ignores it
}

// emitsPerCheck is the number of elements that Emit sends between two checks of the
// context. A check costs as much as sending an element. With 5 ms per element, 16 elements
// take less than the 100 ms within which a job must end.
const emitsPerCheck = 16

type timerService[K any] struct {
	timers *state.Timers[K]
	fire   func(state.Timer[K]) error
}

// Context returns the context of the attempt. It ends when the job is canceled or the
// attempt fails. The job itself checks it between two elements and between two timers. A
// function of the operator that takes long, for example because it calls another system,
// must return when the context ends, since the job waits for it. Functions of state
// descriptors and windows get no context as an argument and can use this one.
func (t *Task[K, Out]) Context() context.Context { return t.ctx }

// Keyed returns the keyed state of the subtask. The operator declares its states on it
// while it opens.
func (t *Task[K, Out]) Keyed() *state.Keyed[K] { return t.keyed }

// Timers declares a timer service. The job calls fire for each timer that is due, with the
// timer's key as the current key. An event-time timer is due when the watermark reaches it
// (in the stream's unit), a processing-time timer when the clock does (in Unix
// milliseconds). Fire does not learn which kind of timer is due: declare two services to
// tell them apart. The timers of one service fire in order, and one service after the other.
// After the last element the watermark is math.MaxInt64, so all event-time timers fire;
// processing-time timers that are not due by then never fire.
func (t *Task[K, Out]) Timers(name string, fire func(state.Timer[K]) error) (*state.Timers[K], error) {
	if fire == nil {
		return nil, fmt.Errorf("%w: timers %q have a nil function", ErrInvalid, name)
	}
	timers, err := state.TimersOf(t.keyed, name)
	if err != nil {
		return nil, err
	}
	t.services = append(t.services, timerService[K]{timers, func(timer state.Timer[K]) error {
		if err := endCause(t.ctx); err != nil {
			return err
		}
		return fire(timer)
	}})
	return timers, nil
}

// fire fires all timers of a domain up to now, until no service has one. A timer of one
// service may register a timer of another service that is due at once, so it repeats.
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

// Emit sends an element to all consumers of the operator's stream. It blocks while all
// batches to a receiver are in use (backpressure), and it may keep the element in a batch
// until the subtask has no input, or the watermark rises. An error of Emit ends the
// attempt, even if the operator ignores it. After the end of Context, Emit returns an error
// within 16 calls.
func (t *Task[K, Out]) Emit(e Event[Out]) error {
	if !t.running {
		return ErrOpening
	}
	var err error
	if t.emitted++; t.emitted%emitsPerCheck == 0 {
		err = endCause(t.ctx)
	}
	if err == nil {
		err = t.out.send(e)
	}
	if err != nil && t.failed == nil {
		t.failed = err
	}
	return err
}

// Watermark returns the watermark: no element with this event time or an earlier one is
// expected. It is math.MinInt64 at first and math.MaxInt64 after the last element. It never
// falls, and a restore sets it to its value in the checkpoint.
func (t *Task[K, Out]) Watermark() int64 { return t.watermark }

// Subtask returns the number of this subtask, from 0.
func (t *Task[K, Out]) Subtask() int { return t.subtask }
