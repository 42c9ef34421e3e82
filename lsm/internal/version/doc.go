// Package version holds the immutable state of a store: tables on disk (File), the levels they
// form (Tree), sealed runs that are not in the tree yet (SealedRun), and all of these at one
// moment (Version). It counts the references to each of them, and creates, opens and closes
// tables (TableStore).
//
// Every change makes a new Version; an existing one is never modified. A reader takes a reference
// to a Version under the lock of the store. As long as it holds the reference, no memtable or file
// of the Version is freed or removed, and it may read the Version and its Tree without the lock.
// After a flush the store moves the reference of a view or scan to a Version that has the file in
// place of the flushed memtables. A scan that still reads one of these memtables gets ErrFlushed.
//
// The lock of the store guards the reference counts, and the cache frames of tables. Removing the
// files that no Version refers to is the task of package lsm.
package version
