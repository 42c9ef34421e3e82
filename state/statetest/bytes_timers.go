package statetest

import (
	"bytes"
	"cmp"
	"fmt"

	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/backend"
)

// bytesTimers is the queue of one domain of a timer service. Timers are rows of the backend. In a
// key group they are ordered by timestamp, so the first timer is the least of the first timers of
// all groups.
type bytesTimers struct {
	backend *Bytes
	id      state.ID
	domain  state.Domain
}

// AddTimers implements backend.Backend.
func (b *Bytes) AddTimers(info backend.Info, d state.Domain) (backend.TimerQueue, error) {
	return &bytesTimers{b, info.ID(), d}, nil
}

// Add implements backend.TimerQueue.
func (q *bytesTimers) Add(t state.TimerEntry) error {
	return q.backend.Set(backend.AppendTimerKey(nil, q.id, q.domain, t), nil)
}

// Remove implements backend.TimerQueue.
func (q *bytesTimers) Remove(t state.TimerEntry) error {
	return q.backend.Delete(backend.AppendTimerKey(nil, q.id, q.domain, t))
}

// First implements backend.TimerQueue.
func (q *bytesTimers) First() (first state.TimerEntry, ok bool, err error) {
	if err := q.backend.beginCall(); err != nil {
		return first, false, err
	}
	q.groups(func(group uint16, prefix []byte) {
		q.backend.rows.AscendGreaterOrEqual(row{key: prefix}, func(r row) bool {
			if !bytes.HasPrefix(r.key, prefix) {
				return false
			}
			var t state.TimerEntry
			if _, t, err = backend.SplitTimerKey(group, r.key[backend.HeaderSize:]); err == nil && (!ok || before(t, first)) {
				first, ok = t, true
			}
			return false
		})
	})
	first.Row = q.backend.loans.lend(first.Row)
	return first, ok, err
}

// before reports whether timer a fires before timer b.
func before(a, b state.TimerEntry) bool {
	return cmp.Or(cmp.Compare(a.Timestamp, b.Timestamp), bytes.Compare(a.Row, b.Row)) < 0
}

// Len implements backend.TimerQueue.
func (q *bytesTimers) Len() (n int) {
	q.groups(func(_ uint16, prefix []byte) {
		_ = ascend(q.backend.rows, prefix, func(_, _ []byte) error { n++; return nil })
	})
	return n
}

// groups calls visit with each key group and with the prefix of the composite keys of its timers.
func (q *bytesTimers) groups(visit func(group uint16, prefix []byte)) {
	owned := q.backend.registry.Keyspace().Groups
	for group := int(owned.First); group <= int(owned.Last); group++ {
		header := backend.AppendHeader(nil, uint16(group), q.id)
		visit(uint16(group), append(header, byte(q.domain)))
	}
}

// checkTimer returns ErrCorrupt for a row that is not a timer.
func checkTimer(group uint16, key, value []byte) error {
	if len(value) > 0 {
		return fmt.Errorf("a timer row has a value of %d bytes, want none: %w", len(value), state.ErrCorrupt)
	}
	_, _, err := backend.SplitTimerKey(group, key)
	return err
}
