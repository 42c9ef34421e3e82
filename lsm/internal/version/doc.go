// Package version holds the immutable state of a store: tables on disk (File), the levels they
// form (Tree), sealed runs that are not in the tree yet (SealedRun), and all of these at one
// moment (Version). It counts the references to each of them, and creates, opens and closes
// tables (TableStore).
//
// Every change makes a new Version; an existing one is never modified. The lock of the store
// guards the reference counts and the cache frames of tables. A Tree can be read without the
// lock.
package version
