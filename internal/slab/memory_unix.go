//go:build unix && !race

package slab

import "syscall"

// smallBytes is up to which size memory comes from Go's heap: the system gives
// whole pages, and at the price of a call.
const smallBytes = 16 << 10

// allocate returns n bytes of zeros.
func allocate(n int) []byte {
	if n >= smallBytes {
		b, err := syscall.Mmap(-1, 0, n, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
		if err == nil {
			return b
		}
	}
	return make([]byte, n)
}

// release gives back what allocate returned. Memory from Go's heap is not known
// to the system, which says so, and belongs to the collector.
func release(b []byte) {
	if len(b) >= smallBytes {
		_ = syscall.Munmap(b)
	}
}
