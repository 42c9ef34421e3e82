package compaction

import (
	"bytes"
	"sync"

	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/run"
)

// Config holds the settings and functions of a store that flushes and compactions need. It is
// valid while the store is open.
type Config struct {
	Tables *version.TableStore // opens and creates tables
	Lock   sync.Locker         // lock of the store

	Split          run.Split // of the store, like the options below
	PartitionBytes int       // size of the part of a key that names its partition
	FileBytes      int64     // size at which an output file ends
	BudgetBytes    int64     // size of the memory budget
	MaxValueSize   int64     // limit for values of a Filter, in bytes

	Filter   Filter    // decides on entries; nil: none
	Filtered run.Range // keys on which Filter decides

	// Guard calls a function that uses the split function or a memtable, and converts a panic
	// to an error.
	Guard func(func() error) error
	// Entries calls Source.Entries. It checks each entry before it passes it to add, and converts
	// a panic to an error. It returns the first error of add, even if the source does not.
	Entries func(s version.Source, add func(*run.Entry) error) error
	// Decide calls Filter.Decide, and converts a panic to an error.
	Decide func([]FilterEntry) error
	// TooLarge returns the error for a value above its limit.
	TooLarge func(size, limit int64) error
	// NewNumber returns a new number for a file.
	NewNumber func() uint64
	// Yield is called after each quantum of a compaction. An error ends it. Flushes do not use it.
	Yield func() error
	// Report receives errors that do no harm.
	Report func(error)
}

// filters reports whether the Filter decides on a key.
func (c *Config) filters(key []byte) bool { return c.Filter != nil && c.Filtered.Contains(key) }

// sharePartition reports whether two keys are in the same partition. Without partitions, all
// keys are.
func (c *Config) sharePartition(a, b []byte) bool {
	return bytes.Equal(head(a, c.PartitionBytes), head(b, c.PartitionBytes))
}

// head returns the first n bytes of a key, or all of a shorter key.
func head(key []byte, n int) []byte { return key[:min(n, len(key))] }
