package state

import (
	"fmt"

	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
)

// Timer is a timer that fires.
type Timer[K any] struct {
	// Timestamp is the time of Register, in the unit that the program chose.
	Timestamp int64
	// Key is the key that was current at Register.
	Key K
	// Namespace is nil for the void namespace. The program may keep the slice.
	Namespace []byte
}

// Timers is a timer service: a set of timers that a backend stores and snapshots like any other
// state.
//
// Problem: an operator must act on a key at a later time, for example to emit a window when the
// watermark reaches its end. There may be millions of timers, they must survive a failure, and
// they must fire in an order that does not depend on the backend.
//
// Idea: a service has a queue for each domain, EventTime and ProcessingTime. A timer is a
// (timestamp, key, namespace), and the queue is a set ordered by these three, so that
// registering a timer twice is harmless and needs no handle for deleting it. The host of the
// program owns both clocks: it calls Advance with the new watermark or the current time.
//
//	Register(EventTime, 20, w1)  by key "bob"         Advance(EventTime, now=20, fire)
//	Register(EventTime, 10, w1)  by key "ann"   ──►     fires  10 "ann" w1
//	Register(EventTime, 30, w2)  by key "ann"           fires  20 "bob" w1
//	                                                    keeps  30 "ann" w2
//
// Advance repeats: take the first timer of the queue, stop if its timestamp is above now, remove
// it, set its key as the current key, call the function fire. The function may register and
// delete timers; a new timer at or below now fires in the same call.
//
// Invariant: each step of Advance fires the smallest timer in the order (timestamp, encoded key,
// escaped namespace). So timers fire in ascending order, unless the function registers a timer
// below the one that is firing; that timer fires next.
//
// Invariant: a timer is removed before fire is called, so that an error of the function cannot
// make the timer fire twice.
//
// Cost: that of backend.TimerQueue; see the backend.
//
// Thread safety: the task's goroutine only.
type Timers[K any] struct {
	keyed   *Keyed[K]
	name    string
	service *timerService
	row     []byte // scratch
}

// timerService is the part that the handles of one service share.
type timerService struct {
	queues [2]backend.TimerQueue  // by domain
	check  func(row []byte) error // returns an error for a row that does not decode
}

// TimersOf declares a timer service, or returns a further handle of it. Errors are those of
// ValueOf.
func TimersOf[K any](k *Keyed[K], name string) (*Timers[K], error) {
	if err := k.checkDeclaration(name, true); err != nil {
		return nil, err
	}
	info := backend.Info{Name: name, Kind: backend.KindTimers, Key: k.codec.ID()}
	storage, err := bindingOf(k.registry).Declare(info, func(*backend.Info) (any, error) {
		s := &timerService{check: func(row []byte) error {
			_, _, err := decodeTimerRow(k.codec, row)
			return err
		}}
		for d := range s.queues {
			var err error
			if s.queues[d], err = k.backend.AddTimers(info, Domain(d)); err != nil {
				return nil, err
			}
		}
		return s, nil
	})
	if err != nil {
		return nil, err
	}
	return &Timers[K]{keyed: k, name: name, service: storage.(*timerService)}, nil
}

// LoadTimer adds a timer of a snapshot to its queue. backend.Registry.LoadTimer calls it.
func (s *timerService) LoadTimer(d Domain, t TimerEntry) error {
	if err := s.check(t.Row); err != nil {
		return corrupt(err)
	}
	return s.queues[d].Add(t)
}

// decodeTimerRow decodes key and namespace of a timer. The namespace may share memory with row.
func decodeTimerRow[K any](c codec.Codec[K], row []byte) (key K, namespace []byte, err error) {
	encoded, namespace, suffix, err := backend.SplitPrefix(row, c.FixedSize())
	if err != nil {
		return key, nil, err
	}
	if len(suffix) > 0 {
		return key, nil, fmt.Errorf("a timer row has %d bytes after the namespace, want none", len(suffix))
	}
	key, err = c.Decode(encoded)
	return key, namespace, err
}

// Register adds a timer for the current key and a namespace; nil is the void namespace.
// Registering an existing timer changes nothing. Register returns ErrNoKey, ErrKeyTooLarge,
// ErrInvalid for an unknown domain, or an error of the backend.
func (t *Timers[K]) Register(d Domain, timestamp int64, namespace []byte) error {
	queue, entry, err := t.entry(d, timestamp, namespace)
	if err != nil {
		return err
	}
	if err := t.keyed.checkFits(namespace, backend.TimeSize); err != nil {
		return wrapState(t.name, err)
	}
	return wrapState(t.name, queue.Add(entry))
}

// Delete removes a timer of the current key. Deleting a missing timer is no error.
func (t *Timers[K]) Delete(d Domain, timestamp int64, namespace []byte) error {
	queue, entry, err := t.entry(d, timestamp, namespace)
	if err != nil {
		return err
	}
	return wrapState(t.name, queue.Remove(entry))
}

// entry returns a timer of the current key and the queue of its domain. The row of the timer is
// t.row.
func (t *Timers[K]) entry(d Domain, timestamp int64, namespace []byte) (backend.TimerQueue, TimerEntry, error) {
	queue, err := t.queue(d)
	if err == nil {
		err = wrapState(t.name, t.keyed.requireKey())
	}
	if err != nil {
		return nil, TimerEntry{}, err
	}
	t.row = backend.AppendKey(t.row[:0], t.keyed.encoded, t.keyed.keySize)
	t.row = codec.AppendEscaped(t.row, namespace)
	return queue, TimerEntry{Timestamp: timestamp, Group: t.keyed.group, Row: t.row}, nil
}

// queue returns the queue of a domain.
func (t *Timers[K]) queue(d Domain) (backend.TimerQueue, error) {
	switch {
	case t.keyed.registry.Closed():
		return nil, wrapState(t.name, ErrClosed)
	case d > ProcessingTime:
		return nil, fmt.Errorf("state %q: %v, want EventTime or ProcessingTime: %w", t.name, d, ErrInvalid)
	}
	return t.service.queues[d], nil
}

// Len returns the number of timers of a domain, of all keys.
func (t *Timers[K]) Len(d Domain) (int, error) {
	queue, err := t.queue(d)
	if err != nil {
		return 0, err
	}
	return queue.Len(), nil
}

// Next returns the timestamp of the first timer of a domain, of all keys. It returns false if
// there is no timer.
func (t *Timers[K]) Next(d Domain) (timestamp int64, ok bool, err error) {
	queue, err := t.queue(d)
	if err != nil {
		return 0, false, err
	}
	first, ok, err := queue.First()
	return first.Timestamp, ok, wrapState(t.name, err)
}

// Advance fires each timer of a domain whose timestamp is at or below now, ordered by timestamp,
// then encoded key, then namespace. For each timer it removes the timer, sets its key as the
// current key and calls fire. The function may register and delete timers; new timers at or below
// now fire in this call too. Advance ends at the first error of fire and returns it unchanged; the
// timer stays removed. After Advance the current key is that of the last timer that fired.
func (t *Timers[K]) Advance(d Domain, now int64, fire func(Timer[K]) error) error {
	for {
		queue, err := t.queue(d)
		if err != nil {
			return err
		}
		if fire == nil {
			return fmt.Errorf("state %q: the function to call for timers must not be nil: %w", t.name, ErrInvalid)
		}
		first, ok, err := queue.First()
		if err != nil || !ok || first.Timestamp > now {
			return wrapState(t.name, err)
		}
		timer, err := t.take(queue, first)
		if err != nil {
			return wrapState(t.name, err)
		}
		if err := fire(timer); err != nil {
			return err
		}
	}
}

// take removes the first timer of a queue and sets its key as the current key.
func (t *Timers[K]) take(queue backend.TimerQueue, first TimerEntry) (timer Timer[K], err error) {
	t.row = append(t.row[:0], first.Row...)
	first.Row = t.row
	key, namespace, err := decodeTimerRow(t.keyed.codec, t.row)
	if err != nil {
		return timer, corrupt(err)
	}
	if err := t.keyed.SetKeyAndGroup(key, first.Group); err != nil {
		return timer, err
	}
	return Timer[K]{first.Timestamp, key, append([]byte(nil), namespace...)}, queue.Remove(first)
}
