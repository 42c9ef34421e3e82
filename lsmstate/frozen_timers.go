package lsmstate

import (
	"cmp"
	"slices"

	"github.com/google/btree"

	"github.com/weirstate/weir/internal/slotindex"
	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/state/backend"
)

// frozenTimers holds the timers of a backend that have changed in one epoch of the tier.
//
// Thread safety: one goroutine at a time, while the task changes the timers.
type frozenTimers struct {
	groups backend.GroupRange
	queues []*frozenQueue // those with changes
}

// entries calls add with the entries of the epoch in ascending order of keys. It returns the error of
// add, which ends it, and may be called again.
func (f *frozenTimers) entries(add func(*run.Entry) error) error {
	slices.SortFunc(f.queues, func(a, b *frozenQueue) int {
		return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.domain, b.domain))
	})
	for group := int(f.groups.First); group <= int(f.groups.Last); group++ {
		for _, q := range f.queues {
			if err := q.entries(uint16(group), add); err != nil {
				return err
			}
		}
	}
	return nil
}

// close releases the memory of the frozen timers.
func (f *frozenTimers) close() { f.queues = nil }

// frozenQueue is a timerQueue at the end of an epoch.
type frozenQueue struct {
	id     backend.ID
	domain backend.Domain
	epoch  *timerEpoch
	memory *btree.BTreeG[timer]
	marks  map[uint16]timer // by key group, those that have risen; nil before the first call of entries
	sorted []timer          // the changed timers, by key group, then position
	bounds slotindex.GroupBounds
	key    []byte // scratch
	value  []byte // scratch
}

// entries is frozenTimers.entries for a queue and a key group.
func (q *frozenQueue) entries(group uint16, add func(*run.Entry) error) error {
	if q.marks == nil {
		q.sort()
	}
	if mark, ok := q.marks[group]; ok {
		q.key = appendSection(q.key[:0], group, q.id, markSection.of(q.domain))
		q.value = appendPosition(q.value[:0], mark.timestamp, mark.row)
		if err := add(&run.Entry{Key: q.key, Kind: run.Set, Value: run.Value{Bytes: q.value}}); err != nil {
			return err
		}
	}
	from, to := q.bounds.Of(group)
	for _, t := range q.sorted[from:to] {
		q.key = t.appendRow(q.key[:0], q.id, q.domain)
		e := run.Entry{Key: q.key, Kind: run.Set}
		if t.has(isDeleted) {
			e.Kind = run.Delete
		}
		if err := add(&e); err != nil {
			return err
		}
	}
	return nil
}

// sort fills sorted with the timers that were changed in the epoch: a counting sort by key group, and
// within a group a sort of two sorted parts, the registered and the deleted timers.
func (q *frozenQueue) sort() {
	q.marks = make(map[uint16]timer, len(q.epoch.marks))
	for _, mark := range q.epoch.marks {
		q.marks[mark.group] = mark
	}
	q.changed(func(t timer) { q.bounds.Count(t.group) })
	q.sorted = make([]timer, q.bounds.Sum())
	next := slices.Clone(q.bounds)
	q.changed(func(t timer) {
		q.sorted[next[t.group]] = t
		next[t.group]++
	})
	for group := range len(q.bounds) - 1 {
		slices.SortFunc(q.sorted[q.bounds[group]:q.bounds[group+1]], compareRows)
	}
}

// changed calls yield with the timers that were changed in the epoch. It skips deleted timers that
// the mark hides.
func (q *frozenQueue) changed(yield func(timer)) {
	q.memory.Ascend(func(t timer) bool {
		if t.epoch == q.epoch.number {
			yield(t)
		}
		return true
	})
	q.epoch.deleted.Ascend(func(t timer) bool {
		mark, hasRisen := q.marks[t.group]
		if t.has(isLate) || !hasRisen || comparePositions(t, mark) > 0 {
			yield(t)
		}
		return true
	})
}

// compareRows compares two timers of a queue and key group in the order of their rows.
func compareRows(a, b timer) int {
	if a.has(isLate) != b.has(isLate) {
		if a.has(isLate) {
			return -1
		}
		return 1
	}
	return comparePositions(a, b)
}
