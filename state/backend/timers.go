package backend

import "fmt"

// Domain says by which clock a timer fires. The numbers are written into
// snapshots and never change.
type Domain uint8

// The two domains.
const (
	EventTime      Domain = 0
	ProcessingTime Domain = 1
)

// String is "event time" or "processing time".
func (d Domain) String() string {
	switch d {
	case EventTime:
		return "event time"
	case ProcessingTime:
		return "processing time"
	}
	return fmt.Sprintf("domain %d", uint8(d))
}

// TimerEntry is a timer as a backend sees it.
type TimerEntry struct {
	Timestamp int64
	Group     uint16
	// Row is key and namespace in the form of composite keys. Timers of one
	// timestamp are ordered by its bytes.
	Row []byte
}

// TimerQueue is the seam for the timers of one domain of a service: a set,
// ordered by timestamp, then row.
type TimerQueue interface {
	// Add adds a timer; adding it twice is no error. The row is the caller's
	// again when it returns.
	Add(TimerEntry) error
	// Remove removes a timer; removing nothing is no error.
	Remove(TimerEntry) error
	// First returns the first timer, ok false if the queue is empty. The row is
	// good until the next call and must not be modified.
	First() (t TimerEntry, ok bool, err error)
	// Len is the number of timers.
	Len() int
}

// AppendTimerKey adds the composite key of a timer to dst.
func AppendTimerKey(dst []byte, id ID, d Domain, t TimerEntry) []byte {
	return append(appendTime(AppendHeader(dst, t.Group, id), d, t.Timestamp), t.Row...)
}

// SplitTimerKey reads a timer from what follows the header of its composite
// key. The row shares memory with key.
func SplitTimerKey(group uint16, key []byte) (Domain, TimerEntry, error) {
	d, timestamp, row, err := splitTime(key)
	return d, TimerEntry{timestamp, group, row}, err
}

// timerLoader is the storage of a timer service that is declared, which package state
// makes.
type timerLoader interface {
	// LoadTimer adds a timer to its queue. A row that cannot be one is ErrCorrupt.
	LoadTimer(Domain, TimerEntry) error
}

// LoadTimer adds a timer of a snapshot to its queue, given what follows the
// header of its composite key: for backends that do not keep timers as rows.
// Bytes that cannot be a timer's are ErrCorrupt, a state that is no timer
// service is ErrUnknownState.
func (r *Registry) LoadTimer(group uint16, id ID, key, value []byte) error {
	d, ok := r.states[id]
	if !ok || d.info.Kind != KindTimers {
		return fmt.Errorf("row of state id %#08x: %w", uint32(id), ErrUnknownState)
	}
	domain, entry, err := SplitTimerKey(group, key)
	switch {
	case err != nil:
	case len(value) > 0:
		err = fmt.Errorf("timer with a value of %d bytes: %w", len(value), ErrCorrupt)
	default:
		err = d.storage.(timerLoader).LoadTimer(domain, entry)
	}
	if err != nil {
		return fmt.Errorf("state %q: %w", d.info.Name, err)
	}
	return nil
}
