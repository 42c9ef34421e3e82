package lsmstate

import (
	"bytes"
	"encoding/binary"
	"sync"
	"sync/atomic"

	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/state/backend"
)

// firedTimerFilter makes compactions drop timers that have fired: those at or below the mark of
// their group. A mark never falls, so such a timer never becomes visible again. Older views keep
// the tables that they refer to.
//
// Invariant: the tree has a mark that is as high as the filter's. So the output of a compaction and
// the mark that hides the dropped rows are always in the same version of the tree.
//
// Thread safety: safe for concurrent use.
type firedTimerFilter struct {
	mu    sync.Mutex
	marks map[groupTimers]*atomic.Pointer[timer] // nil pointers before the first timer fires
}

// groupTimers identifies the timers of one key group and domain of a service.
type groupTimers struct {
	group  uint16
	id     backend.ID
	domain backend.Domain
}

// mark returns the pointer to the mark of a group. The owner of the group stores new marks there.
func (f *firedTimerFilter) mark(of groupTimers) *atomic.Pointer[timer] {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.marks == nil {
		f.marks = make(map[groupTimers]*atomic.Pointer[timer])
	}
	m := f.marks[of]
	if m == nil {
		m = new(atomic.Pointer[timer])
		f.marks[of] = m
	}
	return m
}

// FilterRange implements lsm.RangeFilter. It returns the range of all partitions with timers.
func (f *firedTimerFilter) FilterRange() (from, to []byte) { return []byte{timerBit}, nil }

// Decide implements lsm.Filter.
func (f *firedTimerFilter) Decide(batch []lsm.FilterEntry) {
	var of groupTimers
	var mark []byte // its position
	for i := range batch {
		e := &batch[i]
		if len(e.Key) < sectionSize || section(e.Key[backend.HeaderSize]).kind() != timerSection {
			continue
		}
		next := groupTimers{
			group:  binary.BigEndian.Uint16(e.Key) &^ (timerBit << 8),
			id:     backend.ID(binary.BigEndian.Uint32(e.Key[2:])),
			domain: section(e.Key[backend.HeaderSize]).domain(),
		}
		if i == 0 || next != of {
			of, mark = next, mark[:0]
			if m := f.mark(of).Load(); m != nil {
				mark = appendPosition(mark, m.timestamp, m.row)
			}
		}
		if bytes.Compare(e.Key[sectionSize:], mark) <= 0 {
			e.Decision = lsm.Drop
		}
	}
}
