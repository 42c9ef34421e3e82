//go:build !unix || race

package slab

// allocate returns n zero bytes of Go's heap. The standard library offers no other memory on
// these systems, and the race detector watches no other. After release such memory takes space
// until the collector has run.
func allocate(n int) []byte { return make([]byte, n) }

// release leaves the memory to the garbage collector.
func release([]byte) {}
