// Package run says what a run of the tree is and how runs add up. A run is what
// was written between two seals: at most one entry for a key, in ascending
// order, and tombstones over what older runs hold. A memtable is a run, so is an
// SSTable, and so is a level of them. The room knows bytes only; it may not know
// where a run is kept.
//
// # The algebra
//
// Within a run, a later operation on a key and what is there become one entry:
//
//	there \ then   set      delete   append
//	nothing        set      delete   append
//	set            set      delete   set, joined
//	delete         set      delete   set
//	append         set      delete   append, joined
//
// Across runs, an entry that is a set or a delete has the last word; an append is
// joined onto the next older entry of its key. A tombstone hides strictly older
// runs: entries of its own run were written after it, or are not covered by it.
package run
