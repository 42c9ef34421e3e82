// Package lsmstate provides a backend that keeps keyed state in a log-structured merge tree on
// disk (package lsm), for state that does not fit in memory. A backend has one tree for all of
// its states.
//
// # Rows
//
// The keys of rows in the tree are the composite keys of docs/format-key.md, so views need no
// sorting:
//
//   - a value, reducing or aggregating state has one row per key and namespace, which Set
//     overwrites;
//   - a map has one row per entry; Clear writes one prefix tombstone;
//   - a list has rows of up to 1 MiB, or of one larger append, with a suffix of 8 bytes; an
//     append reads nothing, however long the list is;
//   - timers are in partitions of their own, whose number has the top bit set; see timerGroup.
//
// # Durability
//
// The tree has no log. Snapshots make state durable. The directory of a backend is of no use
// after the process has ended: Close empties it, and Create empties the directory of a crashed
// backend.
//
// The package does not know the types of keys and values, nor what a checkpoint is.
package lsmstate
