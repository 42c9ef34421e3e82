// Package heapstate keeps keyed state on the heap: a hash backend and a B-tree
// backend. Both are indexes over the typed tables of package state, and their
// snapshots are those tables, frozen in constant time and written while the
// task goes on. The room knows nothing of types, files or checkpoints.
package heapstate
