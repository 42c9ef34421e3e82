package lsmstate

import (
	"encoding/binary"
)

// appendCount is a counter of appended bytes in a snapshot.
type appendCount struct {
	slot int
	kib  uint64 // rounded up; at least 1
}

const (
	countShift = 10
	// maxCountKiB limits a counter to 2^53 bytes, so that later appends do not overflow it.
	maxCountKiB = 1 << (53 - countShift)
)

// counts returns the counters that are not zero, ordered by slot.
func (a *appendCounters) counts() (counts []appendCount) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for slot, used := range a.slots {
		if used > 0 {
			kib := min((used+1<<countShift-1)>>countShift, maxCountKiB)
			counts = append(counts, appendCount{slot, kib})
		}
	}
	return counts
}

// raise raises every counter to at least that of a snapshot, so that later appends go to the last
// row of a restored list or to rows after it. For snapshots of several instances the maximum of
// each counter is high enough for all lists.
func (a *appendCounters) raise(counts []appendCount) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range counts {
		a.slots[c.slot] = max(a.slots[c.slot], c.kib<<countShift)
	}
}

// appendCounts encodes counters. Each is encoded as the number of slots skipped since the previous
// one and its KiB.
func appendCounts(b []byte, counts []appendCount) []byte {
	b = binary.AppendUvarint(b, uint64(len(counts)))
	next := 0
	for _, c := range counts {
		b = binary.AppendUvarint(b, uint64(c.slot-next))
		b = binary.AppendUvarint(b, c.kib)
		next = c.slot + 1
	}
	return b
}

// counts decodes counters that appendCounts has encoded.
func (p *parser) counts() (counts []appendCount) {
	next := uint64(0)
	for n := p.Count(2); n > 0; n-- {
		slot := next + p.Uvarint(appendSlots)
		kib := p.Uvarint(maxCountKiB)
		if slot >= appendSlots || kib < 1 {
			p.Fail("counter of appends with an invalid slot or size")
			return nil
		}
		counts = append(counts, appendCount{int(slot), kib})
		next = slot + 1
	}
	return counts
}
