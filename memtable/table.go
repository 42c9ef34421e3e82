package memtable

import "github.com/weirstate/weir/run"

// MaxEntryBytes is the most that the key and the value of one write have
// together. What is larger never comes here: a record lies in one slab. A value
// that grows by appends has no limit.
const MaxEntryBytes int64 = 768 << 10

// Options are what a table is made with.
type Options struct {
	// Budget is where memory comes from. Default: one of the table's own, 64 MiB.
	Budget *Budget
}

// Table is a run in memory. Package run has the result of operations on one key. A table
// copies keys and values and keeps none of the caller's bytes.
//
// Thread safety: until Seal, one goroutine at a time, the owner. After it, reads are safe
// for concurrent use, except that an iterator belongs to one goroutine. Bytes and Len may
// be called beside reads.
type Table interface {
	// Set sets the value of a key.
	Set(k *run.LookupKey, value []byte)
	// Delete removes the value of a key.
	Delete(k *run.LookupKey)
	// Append appends to the value of a key, in time that does not depend on the
	// size of the value.
	Append(k *run.LookupKey, value []byte)
	// DeletePrefix removes all keys with a prefix from the table, in time that
	// depends on their number, and leaves a tombstone for older runs. The key of k is
	// the prefix. A key has a prefix if it begins with it and its PrefixLen, which came
	// with the key, is the length of it: keys of longer prefixes may lie between.
	DeletePrefix(k *run.LookupKey)
	// DeleteRange leaves a tombstone for older runs. The entries of the table itself
	// stay: the caller takes care that the range has none, or they count as written
	// after it.
	DeleteRange(r run.Range)

	// Get adds the entry of a key to l, and reports whether older runs have nothing to
	// add, because of that entry or of a tombstone. The bytes may be used until the
	// next write. A value in pieces is added from the newest piece to the oldest.
	Get(k *run.LookupKey, l *run.Lookup) (last bool)
	// Hides reports whether a tombstone of the table covers all keys of older runs
	// that have the prefix of k.
	Hides(k *run.LookupKey) bool
	// Ranges returns the range tombstones, which the caller only reads.
	Ranges() run.Ranges
	// Live returns an iterator over the entries with the prefix of k, as they are at
	// each step: the prefix tombstone, the key that is the prefix, the keys with
	// suffixes. Every Next goes to the smallest entry above the one before, so that the
	// owner may write between calls; an entry may be used until the owner writes. At the
	// end, or after a Seek that found nothing, Next finds entries that were written above
	// that place meanwhile. reuse is nil, or an iterator that an earlier call on a table of the same kind returned
	// and that nobody uses any more: the table may take its memory.
	Live(k *run.LookupKey, reuse run.Iterator) run.BackwardIterator

	// Len returns the number of entries, including prefix and range tombstones.
	Len() int
	// Bytes returns the memory that the table has taken, in bytes.
	Bytes() int64
	// Seal ends writing, in constant time.
	Seal()
	// Iterator returns an iterator over all entries of a sealed table. The first call
	// sorts them. Several iterators may be open.
	Iterator() run.BackwardIterator
	// Close frees the memory. The caller must no longer use the table, its iterators or bytes
	// that they returned.
	Close()
}
