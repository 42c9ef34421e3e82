package lsmstate

import (
	"encoding/binary"
	"sync"
	"sync/atomic"

	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/state/backend"
)

// fired lets compactions drop the timers that marks hide. A mark only rises, so what
// it hides is gone for good; views that were taken before keep their own files.
//
// Thread safety: safe for concurrent use.
type fired struct {
	mu    sync.Mutex
	marks map[timersOfGroup]*atomic.Pointer[string]
}

// timersOfGroup is those of one domain of a service.
type timersOfGroup struct {
	group  uint16
	id     backend.ID
	domain backend.Domain
}

// mark returns the place of a mark. What is stored there holds from then on.
func (f *fired) mark(of timersOfGroup) *atomic.Pointer[string] {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.marks == nil {
		f.marks = make(map[timersOfGroup]*atomic.Pointer[string])
	}
	m := f.marks[of]
	if m == nil {
		m = new(atomic.Pointer[string])
		f.marks[of] = m
	}
	return m
}

// FilterRange implements lsm.RangeFilter: the partitions of timers.
func (f *fired) FilterRange() (from, to []byte) { return []byte{timerBit}, nil }

// Decide implements lsm.Filter.
func (f *fired) Decide(batch []lsm.FilterEntry) {
	var of timersOfGroup
	var mark string
	for i := range batch {
		e := &batch[i]
		if len(e.Key) < sectionSize || section(e.Key[backend.HeaderSize]).kind() != timerSection {
			continue
		}
		next := timersOfGroup{
			group:  binary.BigEndian.Uint16(e.Key) &^ (timerBit << 8),
			id:     backend.ID(binary.BigEndian.Uint32(e.Key[2:])),
			domain: section(e.Key[backend.HeaderSize]).domain(),
		}
		if i == 0 || next != of {
			of, mark = next, ""
			if m := f.mark(of).Load(); m != nil {
				mark = *m
			}
		}
		if string(e.Key[sectionSize:]) <= mark {
			e.Decision = lsm.Drop
		}
	}
}
