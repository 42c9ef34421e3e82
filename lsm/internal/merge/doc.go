// Package merge walks several runs as if they were one. A Source is a memtable, a table or a
// level; a Merger combines the entries that the sources have for each key, forward or, within
// a prefix, backward.
//
// Merging takes the lock of the store only to look up tombstones in tables, and only for
// sources that were created with that lock. A walk over a memtable that is freed after a flush
// ends with version.ErrFlushed.
package merge
