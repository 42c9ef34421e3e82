package window

import (
	"context"
	"fmt"
	"math"

	"github.com/weirstate/weir/state"
)

// Host is the operator that runs windows: it supplies state, timers and the watermark.
type Host[K any] interface {
	// Context returns a context that ends when the host must stop. Windows check it before
	// each window of an element; for sessions, and before it fires a timer, the host checks
	// it. Functions of Options and of state descriptors that take long must check it
	// themselves.
	Context() context.Context
	// Keyed returns the keyed state on which the windows declare their states.
	Keyed() *state.Keyed[K]
	// Timers declares a timer service. The host calls fire for each event-time timer that
	// the watermark has reached, before it processes the next element.
	Timers(name string, fire func(state.Timer[K]) error) (*state.Timers[K], error)
	// Watermark returns the event time up to which all elements are expected to have
	// arrived. It never falls. After a restore it should continue from its value at the
	// snapshot. If it starts again from math.MinInt64, elements that were late are no longer
	// late, and windows that have fired fire again.
	Watermark() int64
}

// Options configures windows. Assigner and Emit are required.
type Options[K, In, Out any] struct {
	// Assigner chooses the windows of an element. Its arguments may change at a restore;
	// windows that exist already keep their bounds. A restore of sessions as other windows,
	// or of other windows as sessions, returns state.ErrUnknownState.
	Assigner Assigner
	// Lateness is how long a window is kept after its first firing, in the unit of event
	// times. An element that arrives within this time fires the window again. Default 0.
	Lateness int64
	// Emit is called with the result of each window that fires.
	Emit func(Result[K, Out]) error
	// Late is called with each element that is too late for all its windows. Default: such
	// elements are only counted.
	Late func(key K, time int64, in In) error
}

// Result is the result of a window at one firing.
type Result[K, Out any] struct {
	Key    K      // key of the elements
	Window Window // the window that fired; for a session, its bounds so far
	Value  Out    // accumulated value, or list of elements
}

// Windows holds the windows of all keys of a task.
//
// A window fires when the watermark reaches its last time, End-1: Emit gets its result. The
// window is over, and its state is removed, when the watermark has risen by Lateness more.
// Each element that arrives in between fires the window again at once, with all its elements.
// An element is late if all its windows are over.
//
//	                    End-1            End-1+Lateness
//	  ┌──── window ───────┐                    │
//	──┴───────────────────┴────────────────────┴─────────▶ watermark
//	   elements wait      │ fires; then each   │ over: state removed,
//	   in the contents    │ element fires it   │ elements are late
//
// All data of a window are states and timers, so a snapshot of the backend contains them. Only
// the watermark is the host's:
//
//	contents[window]   the elements, or their accumulator, in a namespace per window
//	timer at End-1     fires the window, then registers the next timer
//	timer at End-1+L   drops the window (the same timer if Lateness L is 0)
//	sessions           current window → namespace of the contents; see type sessions
//
// A session fires at its own end. When an element extends a session or joins two, the timers
// of the old sessions are deleted and the new session gets one, even if an old one has fired.
//
// Invariant: a window with contents has one timer, at End-1 until the window has fired and then
// at End-1+L. It may have both timers after a restore in which the watermark started again. A
// window without contents has no timer.
//
// Cost: adding an element costs one Add to the contents. The first element of a window
// registers a timer. With a Lateness above 0, each element registers the timer at End-1 until
// the watermark reaches it; after that, each element of List registers the timer at End-1+L.
// Without a Lateness, List reads the contents before each Add, except in sessions. An element
// that changes the bounds of a session moves its timer.
//
// The functions of Options are called with the key of the window as the current key. They
// must leave it unchanged and must not add elements to these Windows.
//
// The model of windows, watermarks and lateness is from Akidau et al., The Dataflow Model,
// VLDB 2015.
//
// Thread safety: the task's goroutine only.
type Windows[K, In, Out any] struct {
	name     string
	host     Host[K]
	keyed    *state.Keyed[K]
	options  Options[K, In, Out]
	contents contents[In, Out]
	sessions *sessions // nil for tumbling and sliding windows
	timers   *state.Timers[K]

	late      int64  // number of late elements
	namespace []byte // scratch
}

// Aggregate declares windows that fold their elements into an accumulator, as
// state.AggregatingOf does. The names of further states begin with the name of d. Aggregate
// returns state.ErrInvalidOption if a required argument is missing or out of range.
func Aggregate[K, In, Acc, Out any](h Host[K], o Options[K, In, Out], d state.AggregatingDescriptor[In, Acc, Out]) (*Windows[K, In, Out], error) {
	return declare(h, o, d.Name, func(k *state.Keyed[K]) (contents[In, Out], error) { return newFolded(k, d) })
}

// List declares windows that keep their elements. The result of a window is the elements in
// the order of arrival; after a merge of sessions, the elements of the earlier session come
// first. Emit must not modify the slice. List returns state.ErrInvalidOption if a required argument
// is missing or out of range.
func List[K, In any](h Host[K], o Options[K, In, []In], d state.ListDescriptor[In]) (*Windows[K, In, []In], error) {
	return declare(h, o, d.Name, func(k *state.Keyed[K]) (contents[In, []In], error) {
		list, err := state.ListOf(k, d)
		return listed[In]{list, o.Assigner.session || o.Lateness > 0}, err
	})
}

func declare[K, In, Out any](h Host[K], o Options[K, In, Out], name string,
	open func(*state.Keyed[K]) (contents[In, Out], error)) (*Windows[K, In, Out], error) {
	w := &Windows[K, In, Out]{name: name, host: h, options: o}
	if h == nil {
		return nil, w.wrap(fmt.Errorf("the host is nil: %w", state.ErrInvalid))
	}
	err := o.validate()
	if err != nil {
		return nil, w.wrap(err)
	}
	w.keyed = h.Keyed()
	if w.contents, err = open(w.keyed); err != nil {
		return nil, err
	}
	// Sessions have other names, so that a restore fails if a program changes from sessions
	// to other windows or back.
	timers := name + ".timers"
	if o.Assigner.session {
		timers = name + ".session-timers"
		if w.sessions, err = declareSessions(w.keyed, name+".sessions"); err != nil {
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
		return fmt.Errorf("Options.Emit is nil: %w", state.ErrInvalidOption)
	case o.Lateness < 0:
		return fmt.Errorf("Options.Lateness is %d: want 0 or more: %w", o.Lateness, state.ErrInvalidOption)
	}
	return o.Assigner.validate()
}

// Late returns the number of elements that were too late for all their windows. The count
// starts at 0 when the windows are declared, so a restore resets it, and replayed elements
// count again. For an exact number, let Options.Late update a state.
func (w *Windows[K, In, Out]) Late() int64 { return w.late }

// Add adds an element of the current key to its windows. It counts an element that is too
// late for all of them, and passes it to Options.Late. After an error the element may be in
// some of its windows: restore a checkpoint.
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

// assign adds an element to all its windows that are not over. It reports whether there is
// one.
func (w *Windows[K, In, Out]) assign(key K, time int64, in In) (added bool, err error) {
	if w.sessions != nil {
		return w.assignSession(key, time, in)
	}
	ctx := w.host.Context()
	for at := range w.options.Assigner.windows(time) {
		if ctx.Err() != nil { // checked per window: there may be 2^20
			return false, context.Cause(ctx)
		}
		if w.isOver(at) {
			continue
		}
		first, err := w.put(at, in)
		if err != nil {
			return false, err
		}
		if err := w.schedule(key, at, first); err != nil {
			return false, err
		}
		added = true
	}
	return added, nil
}

// assignSession adds an element to its session, after merging the sessions that it touches.
// It reports whether the session is not over.
func (w *Windows[K, In, Out]) assignSession(key K, time int64, in In) (added bool, err error) {
	u, err := w.sessions.union(w.options.Assigner.elementWindow(time))
	if err != nil || w.isOver(u.window) {
		return false, err
	}
	if u.windowChanged() {
		if err := w.merge(&u); err != nil {
			return false, err
		}
	}
	if _, err := w.put(u.namespace, in); err != nil {
		return false, err
	}
	return true, w.schedule(key, u.window, u.windowChanged())
}

// merge replaces the parts of a union by one session, and deletes their timers.
func (w *Windows[K, In, Out]) merge(u *union) error {
	for _, part := range u.parts {
		if err := w.sessions.Remove(part.Key); err != nil {
			return err
		}
		if err := w.deleteTimers(part.Key); err != nil {
			return err
		}
	}
	if sources := u.sources(); len(sources) > 0 {
		if err := w.contents.MergeNamespaces(u.namespace.appendNamespace(nil), sources); err != nil {
			return err
		}
	}
	return w.sessions.Put(u.window, u.namespace)
}

// put adds an element to the contents in the namespace of a window. It reports whether the
// contents may have been empty.
func (w *Windows[K, In, Out]) put(namespace Window, in In) (first bool, err error) {
	if err := w.selectContents(namespace); err != nil {
		return false, err
	}
	return w.contents.Add(in)
}

// schedule registers a timer of window at after an element was added to it, or fires the window if
// the watermark has reached it. WithoutTimer is true if the window may have no timer. The contents
// of the window must be selected.
func (w *Windows[K, In, Out]) schedule(key K, at Window, withoutTimer bool) error {
	if at.last() > w.host.Watermark() {
		// With a lateness, the timer of a window with contents may be the later one: the
		// window may have fired before a restore in which the watermark started again.
		if withoutTimer || w.options.Lateness > 0 {
			return w.registerTimer(at, at.last())
		}
		return nil
	}
	if withoutTimer {
		if err := w.registerTimer(at, w.over(at)); err != nil {
			return err
		}
	}
	return w.fire(key, at)
}

// onTimer fires or drops the window of a timer that is due.
func (w *Windows[K, In, Out]) onTimer(t state.Timer[K]) error {
	at, err := windowOf(t.Namespace)
	if err != nil {
		return w.wrap(err)
	}
	namespace := at
	if w.sessions != nil {
		var ok bool
		if namespace, ok, err = w.sessions.Get(at); err != nil || !ok {
			return err
		}
	}
	if err := w.selectContents(namespace); err != nil {
		return err
	}
	if t.Timestamp == at.last() {
		if err := w.fire(t.Key, at); err != nil {
			return err
		}
	}
	if over := w.over(at); t.Timestamp < over {
		return w.registerTimer(at, over)
	}
	return w.drop(at)
}

// fire emits the result of a window. The contents of the window must be selected.
func (w *Windows[K, In, Out]) fire(key K, at Window) error {
	value, ok, err := w.contents.Get()
	if err != nil || !ok {
		return err
	}
	return w.options.Emit(Result[K, Out]{key, at, value})
}

// drop removes a window. The contents of the window must be selected.
func (w *Windows[K, In, Out]) drop(at Window) error {
	if err := w.contents.Clear(); err != nil || w.sessions == nil {
		return err
	}
	return w.sessions.Remove(at)
}

// over returns the watermark at which a window is over.
func (w *Windows[K, In, Out]) over(at Window) int64 {
	return addClamped(at.last(), w.options.Lateness)
}

func (w *Windows[K, In, Out]) isOver(at Window) bool { return w.over(at) <= w.host.Watermark() }

// selectContents makes contents operate on the namespace of a window.
func (w *Windows[K, In, Out]) selectContents(namespace Window) error {
	w.namespace = namespace.appendNamespace(w.namespace[:0])
	return w.contents.SetNamespace(w.namespace)
}

// registerTimer registers a timer of window at of the current key.
func (w *Windows[K, In, Out]) registerTimer(at Window, timestamp int64) error {
	w.namespace = at.appendNamespace(w.namespace[:0])
	return w.timers.Register(state.EventTime, timestamp, w.namespace)
}

// deleteTimers deletes the timers of window at of the current key.
func (w *Windows[K, In, Out]) deleteTimers(at Window) error {
	w.namespace = at.appendNamespace(w.namespace[:0])
	if err := w.timers.Delete(state.EventTime, at.last(), w.namespace); err != nil || w.options.Lateness == 0 {
		return err
	}
	return w.timers.Delete(state.EventTime, w.over(at), w.namespace)
}

func (w *Windows[K, In, Out]) wrap(err error) error { return fmt.Errorf("windows %q: %w", w.name, err) }
