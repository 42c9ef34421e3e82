// Package compaction merges several runs into one. It has the view of the tree that a Picker
// gets and the compaction it returns (Shape, Pick), two pickers, the check that a pick keeps
// the order of entries (CheckPick), the Filter that may drop or replace entries during a
// compaction, and the Compaction that writes the files of the new run. It also writes flushes
// of memtables (Config.WriteRuns).
//
// The package does not change the tree: a Compaction returns a version.Change, which the store
// commits. Compactions run without the lock of the store; they take it only to open and close
// tables and to look up tombstones.
package compaction
