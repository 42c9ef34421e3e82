// Package merge walks runs as if they were one: sources are memtables, tables and levels
// (Source), and a Merger gives what they say together of each key, upwards and, within a
// prefix, downwards.
//
// It takes the lock of the store only to look for tombstones in files, and only for sources
// that were made with it. A memtable that is given back while it is walked ends the walk
// with version.ErrFlushed.
package merge
