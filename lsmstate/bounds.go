package lsmstate

import (
	"bytes"
	"encoding/binary"

	"github.com/weirstate/weir/state/backend"
)

// keyRange is the range of keys [from, to). A nil to means up to the last key.
type keyRange struct{ from, to []byte }

// groupRanges returns the ranges of the rows and of the timers of key groups.
func groupRanges(groups backend.GroupRange) [2]keyRange {
	first, after := int(groups.First), int(groups.Last)+1
	return [2]keyRange{
		{partitionStart(first), partitionStart(after)},
		{partitionStart(first + timerBit<<8), partitionStart(after + timerBit<<8)},
	}
}

// partitionStart returns the first key of a partition, nil for the number after the last one.
func partitionStart(number int) []byte {
	if number > 0xFFFF {
		return nil
	}
	return partition(uint16(number))
}

// boundsFit reports whether a table with the bounds from and to can belong to a backend of key
// groups. A table with rows and timers must begin within the rows of the first key group or later
// and end within the timers of the last key group or earlier.
func boundsFit(groups backend.GroupRange, from, to []byte) bool {
	ranges, timers := groupRanges(groups), partitionStart(timerBit<<8)
	switch {
	case to != nil && bytes.Compare(to, timers) <= 0:
		return ranges[0].contains(from, to)
	case bytes.Compare(from, timers) >= 0:
		return ranges[1].contains(from, to)
	}
	return keyRange{ranges[0].from, ranges[1].to}.contains(from, to)
}

// contains reports whether r contains the range [from, to).
func (r keyRange) contains(from, to []byte) bool {
	return bytes.Compare(from, r.from) >= 0 && (r.to == nil || to != nil && bytes.Compare(to, r.to) <= 0)
}

// groupsOfBounds returns the key groups of a table's bounds. It returns all of groups if the table
// has rows and timers, or if the bounds are not within groups.
func groupsOfBounds(groups backend.GroupRange, from, to []byte) backend.GroupRange {
	if len(from) < PartitionBytes || len(to) < PartitionBytes {
		return groups
	}
	first, last := binary.BigEndian.Uint16(from), binary.BigEndian.Uint16(to)
	if len(to) == PartitionBytes {
		last-- // to is exclusive: it is the start of the next partition
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
