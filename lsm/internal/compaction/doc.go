// Package compaction makes one run of several: it has what a Picker sees of a tree and
// answers (Shape, Pick), two pickers, the Filter that decides on entries meanwhile, the
// check that a pick keeps the order of entries, and the Compaction that writes the files of
// the new run. Flushes of memtables are written here as well (Config.WriteRuns).
//
// It changes nothing in a tree: a Compaction returns a version.Change, which the store
// commits. No lock is held while it works; it takes the lock of the store where it opens and
// closes tables.
package compaction
