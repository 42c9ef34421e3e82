package lsmstate

import (
	"encoding/binary"
)

// slotCount is a counter of appends, as a snapshot has it.
type slotCount struct {
	slot int
	kib  uint64 // rounded up; at least 1
}

const (
	countShift = 10
	// maxCountKiB is 2^53 bytes, which no list grows to: what comes on top of it
	// does not overflow.
	maxCountKiB = 1 << (53 - countShift)
)

// counts are the counters that are not zero, by slot.
func (a *appends) counts() (counts []slotCount) {
	for slot, used := range a {
		if used > 0 {
			kib := min((used+1<<countShift-1)>>countShift, maxCountKiB)
			counts = append(counts, slotCount{slot, kib})
		}
	}
	return counts
}

// raise makes every counter at least as high as one of a snapshot: rows that are
// there come before those of the next append. Of lists that are joined from several
// instances none has rows that are higher.
func (a *appends) raise(counts []slotCount) {
	for _, c := range counts {
		a[c.slot] = max(a[c.slot], c.kib<<countShift)
	}
}

// appendCounts adds counters, each as the number of slots that are passed over and
// its KiB.
func appendCounts(b []byte, counts []slotCount) []byte {
	b = binary.AppendUvarint(b, uint64(len(counts)))
	next := 0
	for _, c := range counts {
		b = binary.AppendUvarint(b, uint64(c.slot-next))
		b = binary.AppendUvarint(b, c.kib)
		next = c.slot + 1
	}
	return b
}

// counts reads what appendCounts has written.
func (p *parser) counts() (counts []slotCount) {
	next := uint64(0)
	for n := p.Count(2); n > 0; n-- {
		slot := next + p.Uvarint(appendSlots)
		kib := p.Uvarint(maxCountKiB)
		if slot >= appendSlots || kib < 1 {
			p.Fail("a counter that cannot be")
			return nil
		}
		counts = append(counts, slotCount{int(slot), kib})
		next = slot + 1
	}
	return counts
}
