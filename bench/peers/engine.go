package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/weirstate/weir/bench/peers/rocksdb"
)

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

// bulk is an engine behind a bridge: what is read by known keys can be asked for
// a chunk at a time, so that crossing the bridge is not charged to it.
type bulk interface {
	// Batch takes the keys of the next operation.
	Batch(n int, key func() []byte)

	// GetBatch reads them, and counts those that are there.
	GetBatch() (found int, err error)

	// ChangeBatch reads them, puts their values back with a number in the first
	// 8 bytes, and counts them.
	ChangeBatch(stamp uint64) (found int, err error)
}

// shared is an engine that several goroutines may write to at a time.
type shared interface {
	// PutShared is Put for them.
	PutShared(key, value []byte) error
}

// chunk is how many operations cross a bridge together.
const chunk = 64

// layout describes the keys of a workload to a store.
type layout struct {
	prefixBytes int  // size of the prefix of keys; 0: each key is its own prefix
	timed       bool // single operations are timed: none may be put off
}

// budgetBytes is the memory of an engine in all.
const budgetBytes = 512 << 20

// engines open in a directory that exists.
var engines = map[string]func(dir string, l layout) (engine, error){
	"badger":  openBadger,
	"gomap":   openGomap,
	"pebble":  openPebble,
	"rocksdb": openRocks,
	"weir":    openWeir,
}

// available are the engines that this machine has, in order, and what is
// missing for the others.
func available() (names []string, missing error) {
	for _, name := range slices.Sorted(maps.Keys(engines)) {
		if name == "rocksdb" && rocksdb.Available() != nil {
			missing = fmt.Errorf("rocksdb is left out: %w; ./install.sh installs it", rocksdb.Available())
			continue
		}
		names = append(names, name)
	}
	return names, missing
}
