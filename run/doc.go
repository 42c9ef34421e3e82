// Package run defines runs, the parts of an LSM tree, and the algebra that combines their
// entries. A run holds the writes between two seals of a memtable: at most one entry for each
// key, in ascending order of keys, and tombstones that hide older runs. A memtable is a run,
// an SSTable is a run, and so is a level of SSTables.
//
// Programs use the package if they bring a memtable of their own
// ([github.com/weirstate/weir/lsm.Options].NewMemtable): operations take a [LookupKey], reads
// add to a [Lookup], iterators return [Entry] values through [Iterator]. The package knows
// bytes only. It does not know where a run is stored.
//
// # The algebra
//
// Within a run, the entry of a key and a later operation on the key become one entry
// (Kind.Then):
//
//	entry \ then   set      delete   append
//	no entry       set      delete   append
//	set            set      delete   set, joined
//	delete         set      delete   set
//	append         set      delete   append, joined
//
// Across runs, the newest set or delete of a key decides its value, and newer appends are
// joined onto it. A tombstone hides only older runs. Entries of its own run count as newer than
// the tombstone.
package run
