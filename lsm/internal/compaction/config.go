package compaction

import (
	"bytes"
	"sync"

	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/run"
)

// Config is what flushes and compactions of a store need, all of it for as long as the
// store is open.
type Config struct {
	Tables *version.TableStore
	Lock   sync.Locker // of the store

	Split          run.Split
	PartitionBytes int
	FileBytes      int64
	BudgetBytes    int64
	MaxValueSize   int64

	Filter   Filter
	Filtered run.Range // that the Filter is asked about

	// Guard calls a function that calls the split function and memtables, and makes an
	// error of a panic.
	Guard func(func() error) error
	// Decide lets the Filter decide, and makes an error of a panic.
	Decide func([]FilterEntry) error
	// TooLarge returns the error for a value above its limit.
	TooLarge func(size, limit int64) error
	// NewNumber returns the number of a file.
	NewNumber func() uint64
	// Yield lets flushes go first. It returns an error if the compaction is to end.
	Yield func() error
	// Report takes an error that harms nobody.
	Report func(error)
}

// filters reports whether the Filter is asked about a key.
func (c *Config) filters(key []byte) bool { return c.Filter != nil && c.Filtered.Contains(key) }

// sharePartition reports whether two keys are of one partition, as all are without any.
func (c *Config) sharePartition(a, b []byte) bool {
	return bytes.Equal(head(a, c.PartitionBytes), head(b, c.PartitionBytes))
}

// head returns the first n bytes of a key, or all.
func head(key []byte, n int) []byte { return key[:min(n, len(key))] }
