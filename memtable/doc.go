// Package memtable is the run that takes the writes of a tree, until the tree writes it to a
// file. Table is the interface that a tree needs, NewHash its default implementation:
//
//   - A hash directory finds a key's record. Values are overwritten in place.
//   - Keys of one prefix are in a small tree, in order, so that a prefix can be scanned at any
//     time.
//   - All keys are sorted once, after the table is sealed.
//   - All of that is in slabs outside Go's heap, counted against a Budget.
//
// Package memtable/btreetable has a second, simple implementation, and memtable/memtabletest
// the tests for any implementation. The package knows runs and memory. It does not know files,
// logs, levels, or the tree that uses it.
package memtable
