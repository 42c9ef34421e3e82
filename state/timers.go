package state

import (
	"fmt"

	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
)

// Timer is a timer that fires.
type Timer[K any] struct {
	// Timestamp is what the timer was registered for, in the caller's unit.
	Timestamp int64
	Key       K
	// Namespace is nil for the void namespace. It may be kept.
	Namespace []byte
}

// Timers is a timer service: timers of both domains, at most one for each
// (timestamp, key, namespace) in a domain.
//
// Thread safety: the task's goroutine only.
type Timers[K any] struct {
	keyed   *Keyed[K]
	name    string
	service *timerService
	row     []byte // scratch
}

// timerService is what the handles of one service share.
type timerService struct {
	queues [2]backend.TimerQueue // by domain
	check  func(row []byte) error
}

// TimersOf declares a timer service, or returns a further handle of it.
func TimersOf[K any](k *Keyed[K], name string) (*Timers[K], error) {
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

// LoadTimer adds a timer of a snapshot to its queue: see backend.Registry.LoadTimer.
func (s *timerService) LoadTimer(d Domain, t TimerEntry) error {
	if err := s.check(t.Row); err != nil {
		return corrupt(err)
	}
	return s.queues[d].Add(t)
}

// decodeTimerRow reads key and namespace of a timer. The namespace may share
// memory with row.
func decodeTimerRow[K any](c codec.Codec[K], row []byte) (key K, namespace []byte, err error) {
	encoded, namespace, suffix, err := backend.SplitPrefix(row, c.FixedSize())
	if err != nil {
		return key, nil, err
	}
	if len(suffix) > 0 {
		return key, nil, fmt.Errorf("timer row with %d bytes too many", len(suffix))
	}
	key, err = c.Decode(encoded)
	return key, namespace, err
}

// Register adds a timer for the current key and a namespace (nil: the void
// one). A timer that is already there stays.
func (t *Timers[K]) Register(d Domain, timestamp int64, namespace []byte) error {
	queue, entry, err := t.entry(d, timestamp, namespace)
	if err != nil {
		return err
	}
	if err := t.keyed.fits(namespace, backend.TimeSize); err != nil {
		return wrapState(t.name, err)
	}
	return wrapState(t.name, queue.Add(entry))
}

// Delete removes a timer of the current key; removing nothing is no error.
func (t *Timers[K]) Delete(d Domain, timestamp int64, namespace []byte) error {
	queue, entry, err := t.entry(d, timestamp, namespace)
	if err != nil {
		return err
	}
	return wrapState(t.name, queue.Remove(entry))
}

// entry is a timer of the current key; its row is scratch memory.
func (t *Timers[K]) entry(d Domain, timestamp int64, namespace []byte) (backend.TimerQueue, TimerEntry, error) {
	queue, err := t.queue(d)
	if err == nil {
		err = wrapState(t.name, t.keyed.ready())
	}
	if err != nil {
		return nil, TimerEntry{}, err
	}
	t.row = backend.AppendKey(t.row[:0], t.keyed.encoded, t.keyed.keySize)
	t.row = codec.AppendEscaped(t.row, namespace)
	return queue, TimerEntry{Timestamp: timestamp, Group: t.keyed.group, Row: t.row}, nil
}

func (t *Timers[K]) queue(d Domain) (backend.TimerQueue, error) {
	switch {
	case t.keyed.registry.Closed():
		return nil, wrapState(t.name, ErrClosed)
	case d > ProcessingTime:
		return nil, fmt.Errorf("state %q: %v: %w", t.name, d, ErrInvalid)
	}
	return t.service.queues[d], nil
}

// Len is the number of timers of a domain.
func (t *Timers[K]) Len(d Domain) (int, error) {
	queue, err := t.queue(d)
	if err != nil {
		return 0, err
	}
	return queue.Len(), nil
}

// Next is the timestamp of the first timer of a domain, ok false if there is
// none.
func (t *Timers[K]) Next(d Domain) (timestamp int64, ok bool, err error) {
	queue, err := t.queue(d)
	if err != nil {
		return 0, false, err
	}
	first, ok, err := queue.First()
	return first.Timestamp, ok, wrapState(t.name, err)
}

// Advance fires every timer of a domain whose timestamp is not above now, in
// the order of timestamps, then encoded keys, then namespaces. For each it
// removes the timer, makes its key the current one and calls fire, which may
// register and delete timers; those that are due fire too. An error of fire
// ends the call and is returned as it is; that timer is gone.
func (t *Timers[K]) Advance(d Domain, now int64, fire func(Timer[K]) error) error {
	for {
		queue, err := t.queue(d)
		if err != nil {
			return err
		}
		if fire == nil {
			return fmt.Errorf("state %q: no function for timers that fire: %w", t.name, ErrInvalid)
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

// take enters the key of a timer and removes it.
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
