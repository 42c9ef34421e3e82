package memtable

import "github.com/weirstate/weir/run"

// MaxEntryBytes is the limit for the key and the value of one write together, in bytes: a
// record is in one slab. The caller rejects larger writes. A value that grows by appends has no
// limit.
const MaxEntryBytes int64 = 768 << 10

// Options configure a table.
type Options struct {
	// Budget supplies the memory. Default: a budget of 64 MiB that only this table uses.
	Budget *Budget
}

// Table is a run in memory. Package run defines how operations on one key combine. A table
// copies keys and values, and does not retain the caller's slices.
//
// A key belongs to a prefix if it begins with the prefix, and its LookupKey.PrefixLen is the
// length of the prefix. So keys of a longer prefix that begins with this one may lie between
// the keys of this one.
//
// Thread safety: until Seal, all calls must come from one goroutine at a time. After Seal,
// reads are safe for concurrent use, but each iterator belongs to one goroutine. Bytes and Len
// may be called concurrently with reads.
type Table interface {
	// Set sets the value of a key.
	Set(k *run.LookupKey, value []byte)
	// Delete replaces the value of a key by a tombstone.
	Delete(k *run.LookupKey)
	// Append appends to the value of a key. Its time does not depend on the size of the
	// existing value.
	Append(k *run.LookupKey, value []byte)
	// DeletePrefix removes all keys of the prefix k.Key from the table, and adds a prefix
	// tombstone, which hides the keys of older runs. Its time is linear in the number of
	// keys removed.
	DeletePrefix(k *run.LookupKey)
	// DeleteRange adds a range tombstone, which hides the keys of older runs. Entries of
	// this table stay and count as newer than the tombstone, so the caller usually makes sure
	// that the table has no entry in the range.
	DeleteRange(r run.Range)

	// Get adds the entry of a key to l. It reports whether the search is over: an entry or a
	// tombstone of this table hides all older runs. The bytes are valid until the next write.
	// If a value is in pieces, Get adds the newest piece first.
	Get(k *run.LookupKey, l *run.Lookup) (last bool)
	// MayHold reports whether the table may have an entry of the key k.Key, or of a longer key
	// whose prefix is k.Key; tombstones of prefixes and ranges do not count. False is certain.
	// Its time does not depend on the number of such keys.
	MayHold(k *run.LookupKey) bool
	// Hides reports whether a tombstone of the table hides, in older runs, all keys of the
	// prefix of k.
	Hides(k *run.LookupKey) bool
	// Ranges returns the range tombstones. The caller must not modify them.
	Ranges() run.Ranges
	// Live returns an iterator over the entries of the prefix of k: the prefix tombstone,
	// then the key that equals the prefix, then the longer keys. The owner may write between
	// steps. Each Next goes to the smallest entry above the current one in the table as it is
	// now; an entry is valid until the next write. After the end, and after a Seek that found
	// nothing, Next returns entries written above that position since.
	//
	// reuse is nil, or an iterator that Live of this kind of table returned before and that is
	// no longer used. The table may reuse its memory.
	Live(k *run.LookupKey, reuse run.Iterator) run.BackwardIterator

	// Len returns the number of entries, including prefix and range tombstones.
	Len() int
	// Bytes returns the memory that the table has taken, in bytes.
	Bytes() int64
	// Seal ends writing, in constant time.
	Seal()
	// Iterator returns an iterator over all entries of a sealed table. The first call sorts
	// them. Any number of iterators may be open.
	Iterator() run.BackwardIterator
	// Close frees the memory. The caller must no longer use the table, its iterators or bytes
	// that they returned.
	Close()
}
