// Package memtable is the run that is being written: what a tree holds in memory
// until it becomes a file. A hash directory finds keys, values change where they
// lie, the suffixes of a prefix are kept in order for walks, and everything is
// sorted once, after the seal. The room knows runs and memory; it may not know
// files, logs, levels or who owns the tree.
package memtable
