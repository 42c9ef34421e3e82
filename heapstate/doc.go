// Package heapstate provides two backends that keep keyed state on Go's heap: a hash backend
// and a B-tree backend. Both are indexes over the typed tables of package state. A snapshot
// freezes these tables in constant time; another goroutine writes them while the task
// continues. The package knows nothing of types of keys and values, files or checkpoints.
package heapstate
