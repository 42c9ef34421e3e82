package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/weirstate/weir/bench/peers/rocksdb"
)

// errUnsupported is returned by an engine that does not support an operation. The row of the
// workload is left out.
var errUnsupported = errors.New("not supported by this engine")

// engine is a key-value store that is compared. It is used by one goroutine.
type engine interface {
	// Put sets the value of a key.
	Put(key, value []byte) error

	// Delete removes a key.
	Delete(key []byte) error

	// Get returns the value of a key. The value is valid until the next call.
	Get(key []byte) (value []byte, found bool, err error)

	// Append appends bytes to the value of a key. A missing key has an empty value.
	Append(key, value []byte) error

	// Prefix calls do for the entries of a prefix, in the order of their keys. It sees all
	// entries that existed at the call, and may see later writes.
	Prefix(prefix []byte, do func(key, value []byte) error) error

	// Scan is Prefix for all entries.
	Scan(do func(key, value []byte) error) error

	// Snapshot takes a snapshot and releases the one before.
	Snapshot() error

	// Settle writes everything to disk and waits until all background work is done.
	Settle() error

	// DiskBytes returns the size of the live data files.
	DiskBytes() int64

	// Close closes the store.
	Close() error
}

// batchEngine is an engine in another language, with calls for a batch of keys. They spread the
// cost of the call from Go over many operations.
type batchEngine interface {
	// Batch sets the keys of the next call. It calls key n times.
	Batch(n int, key func() []byte)

	// GetBatch reads the keys and returns how many exist.
	GetBatch() (found int, err error)

	// ChangeBatch reads the keys and writes their values back with a number in the first 8
	// bytes: stamp for the first key, and one more for each following key. It returns how
	// many keys exist.
	ChangeBatch(stamp uint64) (found int, err error)
}

// sharedEngine is an engine for several concurrent writers.
type sharedEngine interface {
	// PutShared is Put, and is safe for concurrent use with itself.
	PutShared(key, value []byte) error
}

// chunk is the number of operations of a batch.
const chunk = 64

// layout describes the workloads of a store to its engine.
type layout struct {
	prefixBytes int  // size of the prefix of keys; 0: each key is its own prefix
	timed       bool // each operation is timed, so the engine must not defer writes
}

// budgetBytes is the memory of an engine, for caches and memtables together.
const budgetBytes = 512 << 20

// engines has the functions that open an engine in an existing directory.
var engines = map[string]func(dir string, l layout) (engine, error){
	"badger":  openBadger,
	"gomap":   openGomap,
	"pebble":  openPebble,
	"rocksdb": openRocks,
	"weir":    openWeir,
}

// available returns the names of the engines that can run on this machine, sorted. missing is not
// nil if an engine cannot run.
func available() (names []string, missing error) {
	for _, name := range slices.Sorted(maps.Keys(engines)) {
		if name == "rocksdb" && rocksdb.Available() != nil {
			missing = fmt.Errorf("rocksdb is skipped: %w; ./install.sh installs the library", rocksdb.Available())
			continue
		}
		names = append(names, name)
	}
	return names, missing
}
