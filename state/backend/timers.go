package backend

import "fmt"

// Domain selects the clock by which a timer fires. Snapshots contain the numbers, so they never
// change.
type Domain uint8

// The two domains of timers.
const (
	// EventTime is the time in the elements of a stream. The watermark advances it.
	EventTime Domain = 0
	// ProcessingTime is the time of the machine's clock.
	ProcessingTime Domain = 1
)

// String returns "event time" or "processing time".
func (d Domain) String() string {
	switch d {
	case EventTime:
		return "event time"
	case ProcessingTime:
		return "processing time"
	}
	return fmt.Sprintf("domain %d", uint8(d))
}

// TimerEntry is a timer in the form that backends store.
type TimerEntry struct {
	// Timestamp is the time at which the timer fires, in the program's unit.
	Timestamp int64
	// Group is the key group of the timer's key.
	Group uint16
	// Row is the timer's key and namespace, encoded as in a composite key. Timers of one
	// timestamp fire in the order of their rows.
	Row []byte
}

// TimerQueue stores the timers of one domain of a timer service. It is a set, ordered by
// timestamp, then row, across all key groups.
//
// Thread safety: the task's goroutine only.
type TimerQueue interface {
	// Add adds a timer. Adding an existing timer is no error. The caller may reuse the row
	// when Add returns.
	Add(TimerEntry) error
	// Remove removes a timer. Removing a missing timer is no error.
	Remove(TimerEntry) error
	// First returns the first timer. It returns false if the queue is empty. The row is
	// valid until the next call of any method, and the caller must not modify it.
	First() (t TimerEntry, ok bool, err error)
	// Len returns the number of timers.
	Len() int
}

// AppendTimerKey appends the composite key of a timer.
func AppendTimerKey(dst []byte, id ID, d Domain, t TimerEntry) []byte {
	return append(appendTime(AppendHeader(dst, t.Group, id), d, t.Timestamp), t.Row...)
}

// SplitTimerKey decodes a timer from its composite key without the header. TimerEntry.Row shares
// memory with key.
func SplitTimerKey(group uint16, key []byte) (Domain, TimerEntry, error) {
	d, timestamp, row, err := splitTime(key)
	return d, TimerEntry{timestamp, group, row}, err
}

// timerLoader is the storage of a declared timer service. Package state implements it.
type timerLoader interface {
	// LoadTimer adds a timer to its queue. It returns ErrCorrupt if the row does not decode.
	LoadTimer(Domain, TimerEntry) error
}

// LoadTimer adds a timer of a snapshot to its queue, given key group, state ID, and the rest of
// its composite key. Backends that do not store timers as rows use it. It returns ErrCorrupt for
// bytes that do not decode, and ErrUnknownState if the state is not a declared timer service.
func (r *Registry) LoadTimer(group uint16, id ID, key, value []byte) error {
	d, ok := r.states[id]
	if !ok || d.info.Kind != KindTimers {
		return fmt.Errorf("load a timer: no timer service with id %#08x: %w", uint32(id), ErrUnknownState)
	}
	domain, entry, err := SplitTimerKey(group, key)
	switch {
	case err != nil:
	case len(value) > 0:
		err = fmt.Errorf("a timer row has a value of %d bytes, want none: %w", len(value), ErrCorrupt)
	default:
		err = d.storage.(timerLoader).LoadTimer(domain, entry)
	}
	if err != nil {
		return fmt.Errorf("state %q: %w", d.info.Name, err)
	}
	return nil
}
