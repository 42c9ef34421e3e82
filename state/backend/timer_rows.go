package backend

import (
	"bytes"
	"cmp"
)

// TimerRows is a TimerQueue that stores timers as rows of a ByteBackend. AddTimers of a backend
// may return it.
//
// Problem: a queue needs the first timer of all key groups, but rows are ordered by key group
// first, since snapshots and rescaling work by key group.
//
// Idea: store a timer under its composite key (AppendTimerKey), where the timers of a group are in
// the order in which they fire, and hold the first timer of each group in memory:
//
//	heads (memory)           rows (backend), per key group in firing order
//	group 3: 10 "ann"        3 | id | domain | 10 | ann    3 | id | domain | 25 | bob   ...
//	group 7: 12 "eve"        7 | id | domain | 12 | eve
//	     │
//	     └─ First = the least head: 10 "ann"
//
// Invariant: heads has an entry for each key group that has timers, and it is the group's first.
//
// Invariant: count is the number of rows.
//
// Cost: Add and Remove read and write one row. First compares the heads of all groups. Removing
// the head of a group seeks the next one, which passes over the tombstones that a log-structured
// store keeps for removed timers; package lsmstate avoids this with a queue of its own.
type TimerRows struct {
	rows   ByteBackend
	id     ID
	domain Domain
	count  int
	heads  map[uint16]TimerEntry // by key group
	key    []byte                // scratch
}

// NewTimerRows returns an empty queue for one domain of a timer service.
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
		return q.readHead(t.Group)
	}
	return nil
}

// readHead reads the first timer of a key group from the rows into heads.
func (q *TimerRows) readHead(group uint16) error {
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

// compareTimers compares two timers by timestamp, then row.
func compareTimers(a, b TimerEntry) int {
	return cmp.Or(cmp.Compare(a.Timestamp, b.Timestamp), bytes.Compare(a.Row, b.Row))
}
