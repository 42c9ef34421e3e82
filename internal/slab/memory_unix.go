//go:build unix && !race

package slab

import "syscall"

// smallBytes is the size below which memory comes from Go's heap: mmap returns whole pages and
// costs a system call.
const smallBytes = 16 << 10

// allocate returns n zero bytes.
func allocate(n int) []byte {
	if n >= smallBytes {
		b, err := syscall.Mmap(-1, 0, n, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
		if err == nil {
			return b
		}
	}
	return make([]byte, n)
}

// release frees memory of allocate. For memory of Go's heap, which allocate returns if mmap
// fails, Munmap returns an error and changes nothing; the collector frees it.
func release(b []byte) {
	if len(b) >= smallBytes {
		_ = syscall.Munmap(b)
	}
}
