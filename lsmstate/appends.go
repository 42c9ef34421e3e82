package lsmstate

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"
)

const (
	// rowShift makes the rows of lists 1 MiB at most, unless one append is longer.
	rowShift = 20
	rowBytes = 1 << rowShift
	// appendSlots is how many lists have a row of their own size. That takes 32 KiB.
	appendSlots = 4096
)

// appends says in which row of a list an append goes, without a look at the list:
// each slot counts what was appended to all lists that share it, and every 1 MiB
// they go on in another row. So a list that grows fast has full rows, and one that
// grows slowly few.
//
// Invariant: a row of a later append is the same or has a greater suffix, and no
// row outgrows rowBytes but by a single append.
type appends [appendSlots]uint64

// appendRow adds the key of the row to which size bytes are to be appended: the
// prefix and 8 bytes.
func (a *appends) appendRow(dst, prefix []byte, size int) []byte {
	slot := &a[xxhash.Sum64(prefix)%appendSlots]
	if used := *slot % rowBytes; used > 0 && used+uint64(size) > rowBytes {
		*slot += rowBytes - used
	}
	row := *slot >> rowShift
	*slot += uint64(size)
	return binary.BigEndian.AppendUint64(append(dst, prefix...), row)
}

// Append implements backend.ByteBackend.
func (b *Backend) Append(prefix, value []byte) error {
	db, err := b.writable()
	if err != nil {
		return err
	}
	b.key = b.appends.appendRow(b.key[:0], prefix, len(value))
	return ofTree(db.Append(b.key, value))
}
