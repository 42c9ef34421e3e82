package lsmstate

import (
	"cmp"
	"math"
	"strings"
	"unsafe"

	"github.com/weirstate/weir/state/backend"
)

// timer is an item of the trees of a timerQueue: a timer, or the rest of a key group. Timers fire in
// the order of their positions: timestamp, then row.
type timer struct {
	timestamp int64
	row       string // key and namespace, as in composite keys
	epoch     uint32 // epoch of the tier in which the timer was registered; 0 if it was read or there is no tier
	group     uint16
	flags     timerFlags
}

// timerFlags describe a timer.
type timerFlags uint8

const (
	// isRest marks the item that is not a timer but the rest of its group: see timerGroup.
	isRest timerFlags = 1 << iota
	// isLate marks a timer whose row is in lateSection.
	isLate
	// mayBeBelow marks a timer that may have a row of an epoch before that of its registration.
	mayBeBelow
	// isDeleted marks a timer whose row an epoch deletes.
	isDeleted
)

// has reports whether a flag is set.
func (t *timer) has(f timerFlags) bool { return t.flags&f != 0 }

// leastPosition is a position below those of all timers.
var leastPosition = timer{timestamp: math.MinInt64}

// comparePositions compares the positions of two items.
func comparePositions(a, b timer) int {
	return cmp.Or(cmp.Compare(a.timestamp, b.timestamp), strings.Compare(a.row, b.row))
}

// lessItem is the order of items. A rest comes before a timer at the same position.
func lessItem(a, b timer) bool {
	switch {
	case a.timestamp != b.timestamp:
		return a.timestamp < b.timestamp
	case a.row != b.row:
		return a.row < b.row
	case a.has(isRest) != b.has(isRest):
		return a.has(isRest)
	}
	return a.group < b.group
}

// lookupTimer returns a timer for lookups. Its row shares the caller's memory, so trees must not keep
// it.
func lookupTimer(t backend.TimerEntry) timer {
	return timer{timestamp: t.Timestamp, row: unsafe.String(unsafe.SliceData(t.Row), len(t.Row)), group: t.Group}
}

// after returns the smallest position above that of the timer.
func (t *timer) after() timer { return timer{timestamp: t.timestamp, row: t.row + "\x00"} }

// appendRow appends the key of the timer's row in the tree.
func (t *timer) appendRow(dst []byte, id backend.ID, d backend.Domain) []byte {
	s := timerSection
	if t.has(isLate) {
		s = lateSection
	}
	return appendPosition(appendSection(dst, t.group, id, s.of(d)), t.timestamp, t.row)
}

// bytes returns the memory of the timer in bytes: the row, and the item in nodes that are
// three quarters full.
func (t *timer) bytes() int64 { return int64(unsafe.Sizeof(*t))*4/3 + int64(len(t.row)+15)&^15 }
