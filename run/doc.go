// Package run defines runs, the parts that the tree consists of, and how they add
// up. A run holds the writes between two seals: at most one entry for a key, in
// ascending order of keys, and tombstones that hide older runs. A memtable is a
// run, an SSTable is a run, and so is a level of SSTables.
//
// The package is the vocabulary for programs that bring a memtable of their own
// ([github.com/weirstate/weir/lsm.Options].NewMemtable): operations arrive with a
// [LookupKey], reads add to a [Lookup], walks return [Entry] values by [Iterator].
// It knows bytes only; it may not know where a run is kept.
//
// # The algebra
//
// Within a run, the entry of a key and a later operation on the key become one
// entry (Kind.Then):
//
//	entry \ then   set      delete   append
//	no entry       set      delete   append
//	set            set      delete   set, joined
//	delete         set      delete   set
//	append         set      delete   append, joined
//
// Across runs, a set or a delete decides the value of its key, and an append is
// joined onto the next older entry of the key. A tombstone hides strictly older
// runs only: entries of its own run were written after it, or are not covered by it.
package run
