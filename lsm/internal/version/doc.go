// Package version has the parts of a store that do not change: tables on disk (File),
// the levels that they make (Tree), sealed runs that no table has yet (SealedRun), and all
// of these at one moment (Version). It counts who refers to them, and makes, opens and
// closes tables.
//
// A version is replaced and never changed. Counters and the frames of tables in the cache
// are guarded by the lock of the store; a Tree, once made, is read without it.
package version
