package backend

// Index assigns the rows of a Table to slots and finds them. The table holds keys and values; the
// index knows slot numbers and hashes only. The table takes memory up to the highest slot in use,
// so an index should use low slots.
type Index interface {
	// Find returns the slot of the probed row, given its hash. It returns false if there is
	// no such row.
	Find(hash uint64) (slot uint32, ok bool)
	// Insert returns a free slot for the probed row, which Find has just not found. It may
	// call Table.Rearrange to make room. Its only error is ErrFull.
	Insert(hash uint64) (slot uint32, err error)
	// Delete frees the slot of the probed row, which Find has just found.
	Delete(hash uint64, slot uint32)
	// Reset frees all slots and the memory of the index. It is called while the table is
	// empty; the table drops its slots too.
	Reset()
	// Freeze returns a frozen copy of the index, in constant time. The goroutine that reads
	// a snapshot may call it, but never while the index changes.
	Freeze() FrozenIndex
}

// FrozenIndex is an Index as it was at a snapshot. One goroutine reads it while the task changes
// the index.
type FrozenIndex interface {
	// Ascend calls yield with the slots of one key group, ordered by key, then namespace. It
	// returns the error of yield, which ends the iteration.
	Ascend(t FrozenTable, group uint16, yield func(slot uint32) error) error
}

// Probed is the slot number that stands for the probed row. No row has this slot.
const Probed = ^uint32(0)

// Table is the typed table of one heap state, without its types. The probed row is the row with
// the key and namespace of the current operation; the table may or may not have it. The index
// refers to it without seeing its key.
type Table interface {
	// Matches reports whether the row in a slot is the probed row.
	Matches(slot uint32) bool
	// Hash returns the hash of key and namespace of the row in a slot. The upper 32
	// bits and the lowest 16 bits are well distributed. The 16 bits between are nearly equal
	// for all rows of a backend that owns few key groups.
	Hash(slot uint32) uint64
	// Probed returns the key group of the probed row and the prefix of its key: the first
	// eight bytes of the encoding, padded with zeros, as a big-endian number. Rows of a
	// group that differ in their prefixes are ordered by prefix.
	Probed() (group uint16, prefix uint64)
	// Compare compares two rows of one key group by key, then namespace. Either slot may be
	// Probed.
	Compare(a, b uint32) int
	// Rearrange moves the row in slot from[i] to slot to[i], for all i at the same time.
	// Each slot of to is free or is in from.
	Rearrange(from, to []uint32)
	// Len returns the number of rows.
	Len() int
}

// HeapTable is a Table that holds all rows of its state.
type HeapTable interface {
	Table
	// Load adds a row of a snapshot, given its composite key without the header. Rows come
	// in the order of their keys. It returns ErrCorrupt for bytes that do not decode.
	Load(group uint16, key, value []byte) error
	// Frozen returns the table and its index as they were at a snapshot, or nil if the table
	// was declared later or the pin was closed. Any goroutine may call it.
	Frozen(p *Pin) (FrozenTable, FrozenIndex)
}

// FrozenTable is a Table as it was at a snapshot. One goroutine at a time reads it while the task
// changes the table. Its methods take many rows at a time, so that the cache misses of rows that
// are scattered in memory overlap.
type FrozenTable interface {
	// Slots returns 1 + the highest slot that may hold a row.
	Slots() uint32
	// Groups sets groups[i] to the key group of the row in slot first+i, or to MaxKeyGroups
	// if the slot is free. First is a multiple of 64.
	Groups(first uint32, groups []uint16)
	// Prefixes sets prefixes[i] to eight bytes of the encoded key in slots[i], beginning at
	// byte from, in the form of Table.Probed.
	Prefixes(slots []uint32, from int, prefixes []uint64)
	// Compare compares two rows of one key group by key, then namespace.
	Compare(a, b uint32) int
	// Gather encodes rows of one key group ahead of Rows, beginning with slots[0], and
	// returns their number, at least one. Calls of Rows for these slots in this order are
	// then fast.
	Gather(slots []uint32, group uint16) int
	// Rows calls yield with the encoded rows of the row in a slot, given its key group: one
	// row, or one for each map entry or list chunk. Composite key and stored value are valid
	// until yield returns.
	Rows(slot uint32, group uint16, yield func(key, value []byte) error) error
	// RowsFrom is Rows without the rows whose suffix is below the given one. In a map it
	// finds the first entry by a seek, not by a scan.
	RowsFrom(slot uint32, group uint16, suffix []byte, yield func(key, value []byte) error) error
	// Find returns the slot of the row that a composite key names, and the suffix of the
	// composite key. Rest is the composite key without its header. Slots are all slots of
	// its key group, in the order of Ascend. It returns false if there is no such row.
	//
	// Thread safety: Find and Value may be called by any number of goroutines.
	Find(slots []uint32, rest []byte) (slot uint32, suffix []byte, ok bool, err error)
	// Value appends to dst the stored value that the row in a slot has under a suffix. It
	// returns false if the row has no such stored value.
	Value(slot uint32, suffix, dst []byte) (value []byte, ok bool, err error)
	// Reader returns the same table with scratch memory of its own, for another goroutine.
	// It may be called while the table is read.
	Reader() FrozenTable
}
