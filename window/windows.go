package window

import (
	"context"
	"fmt"
	"math"

	"github.com/weirstate/weir/state"
)

// Host is what windows ask of the operator that they work in.
type Host[K any] interface {
	// Context ends when the work of the host is to end. An element is then put into
	// no further window, and the host fires no further timer. Functions of Options
	// and of descriptors that can take long look at it themselves.
	Context() context.Context
	// Keyed is where their state is declared.
	Keyed() *state.Keyed[K]
	// Timers declares a timer service. The host calls fire for each timer of it
	// that the watermark has reached, before the next element.
	Timers(name string, fire func(state.Timer[K]) error) (*state.Timers[K], error)
	// Watermark is the event time up to which all elements are expected to have
	// come. It never goes back. After a restore it should be what it was in the
	// snapshot: if it begins anew, an element that was late is not, and windows that
	// have fired do so again.
	Watermark() int64
}

// Options says which windows there are and where their results go. Assigner and
// Emit are required.
type Options[K, In, Out any] struct {
	// Assigner says which windows an element is in. Its numbers may change from
	// one restore to the next: windows that have begun stay as they are. One
	// cannot go from sessions to other windows or back.
	Assigner Assigner
	// Lateness is how long a window is kept after it has fired, in the unit of
	// event times: an element that comes for it meanwhile makes it fire again.
	// Default 0.
	Lateness int64
	// Emit takes the result of a window that fires.
	Emit func(Result[K, Out]) error
	// Late takes an element that is too late for all its windows. Default: it is
	// only counted.
	Late func(key K, time int64, in In) error
}

// Result is what a window came to.
type Result[K, Out any] struct {
	Key    K
	Window Window
	Value  Out
}

// Windows are the windows of all keys of a task.
//
// A window fires when the watermark reaches its last time, End-1: its result is
// emitted. Lateness after that it is over, and its state is gone. An element
// that comes in between makes it fire again at once, with all its elements.
// Sessions that an element joins are one from then on; it fires at its own end,
// whether or not its parts have fired before.
//
// The functions of Options are called with the key as the current one. They must
// leave it so, and not add to these windows.
//
// Thread safety: the task's goroutine only.
type Windows[K, In, Out any] struct {
	name     string
	host     Host[K]
	keyed    *state.Keyed[K]
	options  Options[K, In, Out]
	contents contents[In, Out]
	sessions *sessions // nil for other windows

	// timers has one for each window that holds something: for its last time
	// until it has fired, then for its end. A window that has fired may have
	// both, when the watermark has begun anew since.
	timers *state.Timers[K]

	late      int64
	namespace []byte // scratch
}

// Aggregate declares windows whose elements are folded into an accumulator, as
// by state.AggregatingOf. Further states have the descriptor's name with an
// ending. It returns state.ErrInvalid if something is missing or out of range.
func Aggregate[K, In, Acc, Out any](h Host[K], o Options[K, In, Out], d state.AggregatingDescriptor[In, Acc, Out]) (*Windows[K, In, Out], error) {
	return declare(h, o, d.Name, func(k *state.Keyed[K]) (contents[In, Out], error) { return newFolded(k, d) })
}

// List is Aggregate without an accumulator: the result is the elements in the
// order in which they came; when sessions become one, those of the earlier
// session come first. They must not be modified.
func List[K, In any](h Host[K], o Options[K, In, []In], d state.ListDescriptor[In]) (*Windows[K, In, []In], error) {
	return declare(h, o, d.Name, func(k *state.Keyed[K]) (contents[In, []In], error) {
		list, err := state.ListOf(k, d)
		return listed[In]{list}, err
	})
}

func declare[K, In, Out any](h Host[K], o Options[K, In, Out], name string,
	open func(*state.Keyed[K]) (contents[In, Out], error)) (*Windows[K, In, Out], error) {
	w := &Windows[K, In, Out]{name: name, host: h, options: o}
	if h == nil {
		return nil, w.wrap(fmt.Errorf("no host: %w", state.ErrInvalid))
	}
	err := o.validate()
	if err != nil {
		return nil, w.wrap(err)
	}
	w.keyed = h.Keyed()
	if w.contents, err = open(w.keyed); err != nil {
		return nil, err
	}
	// The names differ so that a restore sees it when one kind has become the
	// other.
	timers := name + ".timers"
	if o.Assigner.session {
		timers = name + ".session-timers"
		if w.sessions, err = sessionsOf(w.keyed, name+".sessions"); err != nil {
			return nil, err
		}
	}
	if w.timers, err = h.Timers(timers, w.onTimer); err != nil {
		return nil, err
	}
	return w, nil
}

func (o *Options[K, In, Out]) validate() error {
	switch {
	case o.Emit == nil:
		return fmt.Errorf("no Emit: %w", state.ErrInvalid)
	case o.Lateness < 0:
		return fmt.Errorf("a lateness of %d, must not be negative: %w", o.Lateness, state.ErrInvalid)
	}
	return o.Assigner.validate()
}

// Late is the number of elements that were too late for all their windows. It
// counts from the declaration, so a restore begins anew and replayed elements
// count again; where the exact number matters, make state of what Options.Late
// takes.
func (w *Windows[K, In, Out]) Late() int64 { return w.late }

// Add puts an element of the current key into its windows. An element that is
// too late for all of them is counted and handed to Options.Late. After an error
// it may be in some of its windows: go back to a checkpoint.
func (w *Windows[K, In, Out]) Add(time int64, in In) error {
	key, ok := w.keyed.Key()
	switch {
	case w.keyed.Backend().Registry().Closed():
		return w.wrap(state.ErrClosed)
	case !ok:
		return w.wrap(state.ErrNoKey)
	case time == math.MaxInt64:
		return w.wrap(ErrTime)
	}
	added, err := w.assign(key, time, in)
	if added || err != nil {
		return err
	}
	w.late++
	if w.options.Late == nil {
		return nil
	}
	return w.options.Late(key, time, in)
}

// assign says whether there is a window that the element is not too late for.
func (w *Windows[K, In, Out]) assign(key K, time int64, in In) (added bool, err error) {
	if w.sessions != nil {
		return w.assignSession(key, time, in)
	}
	ctx := w.host.Context()
	for at := range w.options.Assigner.windows(time) {
		if ctx.Err() != nil { // there may be 2^20 windows
			return false, context.Cause(ctx)
		}
		if w.isOver(at) {
			continue
		}
		if err := w.put(key, at, at, false, in); err != nil {
			return false, err
		}
		added = true
	}
	return added, nil
}

func (w *Windows[K, In, Out]) assignSession(key K, time int64, in In) (added bool, err error) {
	u, err := w.sessions.union(w.options.Assigner.element(time))
	if err != nil || w.isOver(u.window) {
		return false, err
	}
	if u.moved() {
		if err := w.merge(&u); err != nil {
			return false, err
		}
	}
	return true, w.put(key, u.window, u.space, u.moved(), in)
}

// merge makes one session of the parts of a union, if there are any.
func (w *Windows[K, In, Out]) merge(u *union) error {
	for _, part := range u.parts {
		if err := w.sessions.Remove(part.Key); err != nil {
			return err
		}
		if err := w.unschedule(part.Key); err != nil {
			return err
		}
	}
	if sources := u.sources(); len(sources) > 0 {
		if err := w.contents.MergeNamespaces(u.space.appendNamespace(nil), sources); err != nil {
			return err
		}
	}
	return w.sessions.Put(u.window, u.space)
}

// put adds an element to a window whose contents are under the namespace of
// space. Moved says that the window has no timer yet though it may have
// contents.
func (w *Windows[K, In, Out]) put(key K, at, space Window, moved bool, in In) error {
	if err := w.enter(space); err != nil {
		return err
	}
	first, err := w.contents.Add(in)
	if err != nil {
		return err
	}
	untimed := first || moved
	if at.last() > w.host.Watermark() {
		// A window with contents has a timer, but with a lateness it may be that
		// for its end: it may have fired before a restore.
		if untimed || w.options.Lateness > 0 {
			return w.schedule(at, at.last())
		}
		return nil
	}
	if untimed {
		if err := w.schedule(at, w.over(at)); err != nil {
			return err
		}
	}
	return w.fire(key, at)
}

func (w *Windows[K, In, Out]) onTimer(t state.Timer[K]) error {
	at, err := windowOf(t.Namespace)
	if err != nil {
		return w.wrap(err)
	}
	space := at
	if w.sessions != nil {
		var ok bool
		if space, ok, err = w.sessions.Get(at); err != nil || !ok {
			return err
		}
	}
	if err := w.enter(space); err != nil {
		return err
	}
	if t.Timestamp == at.last() {
		if err := w.fire(t.Key, at); err != nil {
			return err
		}
	}
	if over := w.over(at); t.Timestamp < over {
		return w.schedule(at, over)
	}
	return w.drop(at)
}

// fire emits the result of a window, whose contents have been entered.
func (w *Windows[K, In, Out]) fire(key K, at Window) error {
	value, ok, err := w.contents.Get()
	if err != nil || !ok {
		return err
	}
	return w.options.Emit(Result[K, Out]{key, at, value})
}

// drop forgets a window, whose contents have been entered.
func (w *Windows[K, In, Out]) drop(at Window) error {
	if err := w.contents.Clear(); err != nil || w.sessions == nil {
		return err
	}
	return w.sessions.Remove(at)
}

// over is the watermark at which a window is over.
func (w *Windows[K, In, Out]) over(at Window) int64 { return later(at.last(), w.options.Lateness) }

func (w *Windows[K, In, Out]) isOver(at Window) bool { return w.over(at) <= w.host.Watermark() }

// enter makes contents work on those of a window.
func (w *Windows[K, In, Out]) enter(space Window) error {
	w.namespace = space.appendNamespace(w.namespace[:0])
	return w.contents.SetNamespace(w.namespace)
}

// schedule and unschedule see to the timers of a window of the current key.
func (w *Windows[K, In, Out]) schedule(at Window, timestamp int64) error {
	w.namespace = at.appendNamespace(w.namespace[:0])
	return w.timers.Register(state.EventTime, timestamp, w.namespace)
}

func (w *Windows[K, In, Out]) unschedule(at Window) error {
	w.namespace = at.appendNamespace(w.namespace[:0])
	if err := w.timers.Delete(state.EventTime, at.last(), w.namespace); err != nil || w.options.Lateness == 0 {
		return err
	}
	return w.timers.Delete(state.EventTime, w.over(at), w.namespace)
}

func (w *Windows[K, In, Out]) wrap(err error) error { return fmt.Errorf("windows %q: %w", w.name, err) }
