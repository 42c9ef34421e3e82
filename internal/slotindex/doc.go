// Package slotindex finds rows of a typed table by hash, and orders the slots of a frozen table by
// key. Backends that keep decoded rows share it. It does not know the types of keys and values,
// or which backend uses it.
//
// Thread safety: an index belongs to the task's goroutine, a frozen index to one goroutine at a
// time. The frozen index reads only the frozen table and shares no memory with the index.
package slotindex
