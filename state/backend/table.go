package backend

// Index decides in which slot of a Table a row sits, and finds it there. Slots
// are small numbers; the lower they stay, the less memory the table takes. Keys
// and values are the table's.
type Index interface {
	// Find returns the slot of the probed row, whose hash is given.
	Find(hash uint64) (slot uint32, ok bool)
	// Insert returns a slot for the probed row, which Find has just not found.
	// It may rearrange the table to make room. ErrFull is its only error.
	Insert(hash uint64) (slot uint32, err error)
	// Delete gives back the slot of the probed row, which Find has just found.
	Delete(hash uint64, slot uint32)
	// Reset is called while the table is empty. It gives back the memory of the
	// rows that were there, and their slots: the table has none from then on.
	Reset()
	// Freeze returns what Ascend needs of the index as it is now, in constant
	// time. The goroutine that reads a snapshot may call it, but only while the
	// index does not change.
	Freeze() FrozenIndex
}

// FrozenIndex is an Index as it was at a snapshot. It is read by one other
// goroutine while the index goes on.
type FrozenIndex interface {
	// Ascend calls yield with the slots of one key group, ordered by key and
	// namespace, until yield returns an error, and returns that.
	Ascend(t FrozenTable, group uint16, yield func(slot uint32) error) error
}

// Probed stands for the probed row where a slot is expected. It is never the
// slot of a row.
const Probed = ^uint32(0)

// Table is the typed table of one heap state, as its backend sees it. The row
// that an operation of the index is about is called the probed row.
type Table interface {
	// Matches reports whether the row in a slot is the probed one.
	Matches(slot uint32) bool
	// Hash is taken from key and namespace of the row in a slot. Its top half and
	// its bottom 16 bits are good; those between are nearly the same all over a
	// backend that owns few key groups.
	Hash(slot uint32) uint64
	// Probed is the key group of the probed row and the prefix of its key: the
	// first eight bytes of the encoding, zeros behind, as a big-endian number.
	// Rows of a group are ordered by the prefix first.
	Probed() (group uint16, prefix uint64)
	// Compare orders two rows of one key group by key and namespace. Either
	// slot may be Probed.
	Compare(a, b uint32) int
	// Rearrange moves rows between slots: that in from[i] to to[i], all at the
	// same time. A slot in to is empty or in from.
	Rearrange(from, to []uint32)
	// Len is the number of rows.
	Len() int
	// Load adds a row of a snapshot, given what follows the header of its
	// composite key. Rows come in the order of their keys. Bytes that do not
	// decode are ErrCorrupt.
	Load(group uint16, key, value []byte) error
	// Frozen returns the table and its index as they were at a freeze, from any
	// goroutine; nil if the table was declared later, or the pin is closed.
	Frozen(p *Pin) (FrozenTable, FrozenIndex)
}

// FrozenTable is a Table as it was at a snapshot. It is read by one goroutine
// at a time while the table goes on in its own. It is asked about many rows at a
// time: those that lie scattered in memory are then waited for together, and not
// one after the other.
type FrozenTable interface {
	// Slots is one more than the highest slot that may hold a row.
	Slots() uint32
	// Groups fills groups with the key groups of the slots from first, a
	// multiple of 64, on: MaxKeyGroups where there is no row.
	Groups(first uint32, groups []uint16)
	// Prefixes fills prefixes with eight bytes of each slot's key, from a byte
	// of its encoding on: see Table.Probed.
	Prefixes(slots []uint32, from int, prefixes []uint64)
	// Compare orders two rows of one key group by key and namespace.
	Compare(a, b uint32) int
	// Gather reads rows of one key group, from the first slot on, and returns
	// how many, at least one: as many as it likes to keep. Calls of Rows for
	// these slots in this order find them at hand.
	Gather(slots []uint32, group uint16) int
	// Rows calls yield with the rows of bytes that one row of the table, whose
	// key group is given, is in a snapshot: one, or one for each map entry or
	// chunk of a list. The composite key and the stored value are good until yield
	// returns.
	Rows(slot uint32, group uint16, yield func(key, value []byte) error) error
	// RowsFrom is Rows without the rows whose suffix is below a given one. It finds
	// the entry of a map that comes first without a walk over those below.
	RowsFrom(slot uint32, group uint16, suffix []byte, yield func(key, value []byte) error) error
	// Find returns the slot of the row whose key and namespace begin rest, the part
	// of a composite key after its header, and the suffix that follows them. Slots are
	// all those of its key group, in the order of Ascend.
	//
	// Thread safety: Find and Value may be called by any number of goroutines.
	Find(slots []uint32, rest []byte) (slot uint32, suffix []byte, ok bool, err error)
	// Value adds to dst the stored value of the row of bytes that a row of the table
	// has under a suffix, ok false if it has none.
	Value(slot uint32, suffix, dst []byte) (value []byte, ok bool, err error)
	// Reader returns the same table for one more goroutine: it shares everything but
	// the memory that reads use. It may be called while another goroutine reads the table.
	Reader() FrozenTable
}
