package lsmstate

import (
	"bytes"
	"slices"

	"github.com/weirstate/weir/lsm"
)

// rowFilter passes rows of keyed state to the user's filter, and timers to a firedTimerFilter.
//
// Thread safety: lsm calls it from one goroutine at a time.
type rowFilter struct {
	user   lsm.Filter
	timers *firedTimerFilter
}

// FilterRange implements lsm.RangeFilter. The range begins where the range of the user's filter
// begins and ends after the last timer.
func (f *rowFilter) FilterRange() (from, to []byte) {
	from, _ = f.userRange()
	return from, nil
}

// userRange returns the range of the user's filter, without the partitions of timers.
func (f *rowFilter) userRange() (from, to []byte) {
	if ranged, ok := f.user.(lsm.RangeFilter); ok {
		from, to = ranged.FilterRange()
	}
	timers, _ := f.timers.FilterRange()
	if to == nil || bytes.Compare(to, timers) > 0 {
		to = timers
	}
	if bytes.Compare(from, to) > 0 {
		from = to
	}
	return from, to
}

// Decide implements lsm.Filter.
func (f *rowFilter) Decide(batch []lsm.FilterEntry) {
	from, to := f.userRange()
	timers, _ := f.timers.FilterRange()
	if users := batch[firstAt(batch, from):firstAt(batch, to)]; len(users) > 0 {
		f.user.Decide(users)
		dropEmpty(users)
	}
	f.timers.Decide(batch[firstAt(batch, timers):])
}

// dropEmpty drops rows whose new value is empty. No stored value is empty: a list would end at such
// a chunk, and heap backends would refuse a snapshot with it.
func dropEmpty(batch []lsm.FilterEntry) {
	for i := range batch {
		if e := &batch[i]; e.Decision == lsm.Replace && len(e.NewValue) == 0 {
			e.Decision = lsm.Drop
		}
	}
}

// firstAt returns the index of the first entry whose key is at or above key.
func firstAt(batch []lsm.FilterEntry, key []byte) int {
	i, _ := slices.BinarySearchFunc(batch, key, func(e lsm.FilterEntry, key []byte) int {
		return bytes.Compare(e.Key, key)
	})
	return i
}
