package backend

import (
	"bytes"
	"cmp"
)

// TimerRows is a TimerQueue that keeps timers as rows of a ByteBackend, under AppendTimerKey:
// AddTimers of a backend may return it. In memory it has the number of timers and the first
// timer of each key group. First compares these, so it takes longer the more key groups
// have timers; Remove of the first timer of a group seeks the next one.
type TimerRows struct {
	rows   ByteBackend
	id     ID
	domain Domain
	count  int
	heads  map[uint16]TimerEntry // the first timer of each key group that has timers
	key    []byte                // scratch
}

// NewTimerRows returns the queue of one domain of a timer service, which has no timers yet.
func NewTimerRows(rows ByteBackend, service Info, d Domain) *TimerRows {
	return &TimerRows{rows: rows, id: service.ID(), domain: d, heads: map[uint16]TimerEntry{}}
}

// Add implements TimerQueue.
func (q *TimerRows) Add(t TimerEntry) error {
	q.key = AppendTimerKey(q.key[:0], q.id, q.domain, t)
	if _, ok, err := q.rows.Get(q.key); err != nil || ok {
		return err
	}
	if err := q.rows.Set(q.key, nil); err != nil {
		return err
	}
	q.count++
	if head, ok := q.heads[t.Group]; !ok || compareTimers(t, head) < 0 {
		t.Row = bytes.Clone(t.Row)
		q.heads[t.Group] = t
	}
	return nil
}

// Remove implements TimerQueue.
func (q *TimerRows) Remove(t TimerEntry) error {
	q.key = AppendTimerKey(q.key[:0], q.id, q.domain, t)
	if _, ok, err := q.rows.Get(q.key); err != nil || !ok {
		return err
	}
	if err := q.rows.Delete(q.key); err != nil {
		return err
	}
	q.count--
	if compareTimers(t, q.heads[t.Group]) == 0 {
		return q.seek(t.Group)
	}
	return nil
}

// seek finds the first timer of a key group.
func (q *TimerRows) seek(group uint16) error {
	prefix := append(AppendHeader(nil, group, q.id), byte(q.domain))
	c := q.rows.ScanPrefix(prefix, prefix)
	defer c.Close()
	key, _, ok, err := c.Next()
	if err != nil {
		return err
	}
	if !ok {
		delete(q.heads, group)
		return nil
	}
	_, t, err := SplitTimerKey(group, key[HeaderSize:])
	if err != nil {
		return err
	}
	t.Row = bytes.Clone(t.Row)
	q.heads[group] = t
	return nil
}

// First implements TimerQueue.
func (q *TimerRows) First() (first TimerEntry, ok bool, err error) {
	if q.rows.Registry().Closed() {
		return first, false, ErrClosed
	}
	for _, t := range q.heads {
		if !ok || compareTimers(t, first) < 0 {
			first, ok = t, true
		}
	}
	return first, ok, nil
}

// Len implements TimerQueue.
func (q *TimerRows) Len() int { return q.count }

// compareTimers compares by timestamp, then row.
func compareTimers(a, b TimerEntry) int {
	return cmp.Or(cmp.Compare(a.Timestamp, b.Timestamp), bytes.Compare(a.Row, b.Row))
}
