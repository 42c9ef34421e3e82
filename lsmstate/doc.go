// Package lsmstate keeps keyed state in a tree on disk (package lsm), for state
// that does not fit in memory. A backend has one tree for all of its states.
//
// # Rows
//
// A row of the tree is a row of docs/format-key.md, so views need no sorting:
//
//   - values, reducing and aggregating states: one row, overwritten in place;
//   - maps: a row for each entry; Clear is one tombstone of their prefix;
//   - lists: rows of up to 1 MiB, or of one longer append, whose suffix is 8 bytes:
//     appending reads nothing, whatever the list has;
//   - timers: in partitions of their own, which the top bit of a key group marks;
//     see section.
//
// # Durability
//
// The tree has no log. What makes state durable is a snapshot, and the directory of
// a backend is worth nothing without the backend: Close empties it, and so does
// Create after a crash.
//
// The room may not know the types of keys and values, nor what a checkpoint is.
package lsmstate
