package lsmstate

import (
	"encoding/binary"
	"sync"

	"github.com/cespare/xxhash/v2"
)

const (
	// rowBytes is the maximum size of a list's row, unless a single append is longer: 1 MiB,
	// or 1 << rowShift.
	rowShift = 20
	rowBytes = 1 << rowShift
	// appendSlots is the number of counters. They take 32 KiB.
	appendSlots = 4096
)

// appendCounters choose the row of a list for an append, without a read of the list.
//
// Problem: a list is stored as a sequence of rows, so that no row grows without bound. An append
// must go to the last row, or begin a new one if the last row is full. Reading the number and size
// of the last row would make each append as slow as a read; caching both would take memory for
// every list.
//
// Idea: count appended bytes, not rows. Lists share 4,096 counters by a hash of their prefix, key
// and namespace. Each counter sums the bytes that were appended to all of its lists. The suffix of
// the row is the counter divided by 1 MiB: every MiB all lists of the counter continue in a new
// row. The tree joins the appends to one row when it reads or compacts them.
//
//	counter   0 ........ 1 MiB ........ 2 MiB ........ 3 MiB
//	suffix    |   row 0    |    row 1     |    row 2     |
//	list A    a a  a   a a   a a a  a  a     a a  a           many appends: full rows
//	list B         b                 b                        few appends: small rows
//
// Invariant: the suffix of a later append to a list is never lower than that of an earlier one. So
// the rows of a list, in the order of their keys, hold its elements in the order of the appends.
//
// Invariant: a row has at most rowBytes, or one append that is larger.
//
// Invariant: after a restore each counter is at least as high as it was when the last row of each
// of its lists was written; descriptions of snapshots record the counters (see appendCount).
//
// Cost: one hash and one addition per append.
//
// Thread safety: safe for concurrent use: the task appends to lists in the memtable, and the flusher
// to lists of the hot tier. Each list has only one of them.
type appendCounters struct {
	mu    sync.Mutex
	slots [appendSlots]uint64
}

// appendRow appends to dst the key of the row for an append of size bytes: the prefix and a suffix
// of 8 bytes. It counts the append.
func (a *appendCounters) appendRow(dst, prefix []byte, size int) []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	slot := a.slot(prefix)
	if used := *slot % rowBytes; used > 0 && used+uint64(size) > rowBytes {
		*slot += rowBytes - used
	}
	row := *slot >> rowShift
	*slot += uint64(size)
	return binary.BigEndian.AppendUint64(append(dst, prefix...), row)
}

// slot returns the counter of a list.
func (a *appendCounters) slot(prefix []byte) *uint64 {
	return &a.slots[xxhash.Sum64(prefix)%appendSlots]
}

// endRow makes the next append to a list go to a new row.
func (a *appendCounters) endRow(prefix []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	slot := a.slot(prefix)
	*slot = (*slot + rowBytes - 1) / rowBytes * rowBytes
}

// Append implements backend.ByteBackend.
func (b *Backend) Append(prefix, value []byte) error {
	db, err := b.writable()
	if err != nil {
		return err
	}
	b.key = b.appends.appendRow(b.key[:0], prefix, len(value))
	return wrapLSMError(db.Append(b.key, value))
}
