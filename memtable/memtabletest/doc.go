// Package memtabletest tests that a memtable does what the interface memtable.Table and the
// algebra of package run promise. Run has a subtest for each promise, and random programs that
// are compared with a model, a sorted slice of rows. The package knows tables by their interface
// only, so it serves tables of other modules.
package memtabletest
