package lsmstate

import (
	"bytes"
	"encoding/binary"

	"github.com/weirstate/weir/state/backend"
)

// keyRange is a range of keys: from included, to not, where nil is the end.
type keyRange struct{ from, to []byte }

// rangesOf are those of the rows and of the timers of key groups.
func rangesOf(groups backend.GroupRange) [2]keyRange {
	first, after := int(groups.First), int(groups.Last)+1
	return [2]keyRange{
		{border(first), border(after)},
		{border(first + timerBit<<8), border(after + timerBit<<8)},
	}
}

// border is the first key of a partition; nil behind the last one.
func border(number int) []byte {
	if number > 0xFFFF {
		return nil
	}
	return partition(uint16(number))
}

// holdsBounds says whether a table with these bounds can be one of a backend of key
// groups. One with rows and timers begins with the rows of the first at the earliest,
// and ends with the timers of the last.
func holdsBounds(groups backend.GroupRange, from, to []byte) bool {
	ranges, timers := rangesOf(groups), border(timerBit<<8)
	switch {
	case to != nil && bytes.Compare(to, timers) <= 0:
		return ranges[0].holds(from, to)
	case bytes.Compare(from, timers) >= 0:
		return ranges[1].holds(from, to)
	}
	return keyRange{ranges[0].from, ranges[1].to}.holds(from, to)
}

// holds says whether another range is within.
func (r keyRange) holds(from, to []byte) bool {
	return bytes.Compare(from, r.from) >= 0 && (r.to == nil || to != nil && bytes.Compare(to, r.to) <= 0)
}

// groupsOf are key groups beyond which a table with bounds within groups has
// nothing: all of them if it has both rows and timers.
func groupsOf(groups backend.GroupRange, from, to []byte) backend.GroupRange {
	if len(from) < PartitionBytes || len(to) < PartitionBytes {
		return groups
	}
	first, last := binary.BigEndian.Uint16(from), binary.BigEndian.Uint16(to)
	if len(to) == PartitionBytes {
		last-- // it ends where that one begins
	}
	if (first^last)&(timerBit<<8) != 0 {
		return groups
	}
	r := backend.GroupRange{First: first &^ (timerBit << 8), Last: last &^ (timerBit << 8)}
	if r.First > r.Last || !groups.Contains(r.First) || !groups.Contains(r.Last) {
		return groups
	}
	return r
}
