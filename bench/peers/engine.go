package main

import "errors"

// errUnsupported is returned by an engine that cannot do an operation; its row
// is left out.
var errUnsupported = errors.New("not supported by this engine")

// engine is a store of bytes that is compared. One goroutine uses it.
type engine interface {
	Put(key, value []byte) error
	Delete(key []byte) error

	// Get returns a value that is valid until the next call.
	Get(key []byte) (value []byte, found bool, err error)

	// Append adds bytes at the end of a value.
	Append(key, value []byte) error

	// Prefix and Scan walk entries in order of their keys. They see what was
	// there when they began, or more.
	Prefix(prefix []byte, do func(key, value []byte) error) error
	Scan(do func(key, value []byte) error) error

	// Snapshot takes a consistent view, and lets go of the one before.
	Snapshot() error

	// Settle brings everything to the disk and waits for background work.
	Settle() error

	DiskBytes() int64
	Close() error
}

// layout is what a store is told about its keys.
type layout struct {
	prefixBytes int // keys have a prefix of so many bytes; 0: they are their own
}

// budgetBytes is the memory of an engine in all.
const budgetBytes = 512 << 20

// engines open in a directory that exists.
var engines = map[string]func(dir string, l layout) (engine, error){
	"gomap":  openGomap,
	"pebble": openPebble,
	"weir":   openWeir,
}
