package lsmstate

import (
	"cmp"
	"fmt"

	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/vfs"
)

// Options configures a backend. The zero value works.
type Options struct {
	backend.Options

	// Budget is the memory of the tree, for memtables, cached blocks, filters and indexes, and of
	// the hot tier.
	// Several backends may share a budget; share one among all backends of a process.
	// Default: a budget of 64 MiB for this backend.
	Budget *lsm.Budget

	// Tier turns on the hot tier: rows in use are decoded values on Go's heap, in front of the
	// tree. The tiers of all backends that share a budget take at most half of it together. See
	// docs/hot-tier.md. A backend with a Filter has no tier. Default: off.
	Tier bool

	// Copies keeps the tables of native snapshots on the local disk for restores. All
	// backends of a process may share it. Default: none; every restore reads its tables
	// from the snapshot's source.
	Copies *LocalCopies

	// Events are callbacks for events of the tree: see lsm.Events. Default: none.
	Events lsm.Events

	// Compression is the compression of each level of the tree, from level 0 on. Further
	// levels use the last element. Default: lsm.S2 on all levels.
	Compression []lsm.Compression

	// Picker chooses the compactions of the tree. Backends must not share a picker.
	// Default: lsm.NewLeveled.
	Picker lsm.Picker

	// Filter keeps, drops or replaces rows of keyed state when the tree compacts them; see
	// lsm.Filter. Keys and values are those of docs/format-key.md: backend.SplitHeader
	// returns the state of a row, and a new value must be one that the state can read. The
	// filter may get a chunk of a list in several pieces, as they were appended; each piece
	// has whole elements. An empty new value drops the row or the piece. The filter does not
	// get timers. Backends must not share a filter. Default: all rows stay.
	Filter lsm.Filter

	// FS is the file system. Default: that of the operating system.
	FS vfs.FS

	// tune changes the options of the tree, timersPerGroup replaces the result of
	// maxTimersInMemory, and tierBytes is a limit for the rows of the hot tier. All are for
	// tests of limits.
	tune           func(*lsm.Options)
	timersPerGroup int
	tierBytes      int64
}

// maxCachedTimers is the number of timers of a domain that a backend without a tier keeps in memory,
// over all key groups; at times twice as many. A timer takes 50 to 100 bytes. A refill reads between 4
// and 64 of them, so that not every timer needs a search in the tree.
const maxCachedTimers = 16 << 10

// maxTimersInMemory returns the number of timers per key group and domain that are kept in memory.
func (o *Options) maxTimersInMemory(groups int) int {
	return cmp.Or(o.timersPerGroup, min(max(maxCachedTimers/groups, 4), 64))
}

// check returns ErrInvalidOption for options that package lsm would refuse.
func (o *Options) check() error {
	for level, c := range o.Compression {
		if c > lsm.Zstd {
			return fmt.Errorf("Compression of level %d is %d, want 0 to %d: %w", level, c, lsm.Zstd, ErrInvalidOption)
		}
	}
	return nil
}

// treeOptions returns the options of the tree without Filter, and without Split, which depends on
// the codec of keys.
func (o *Options) treeOptions() lsm.Options {
	t := lsm.Options{
		PartitionBytes: PartitionBytes,
		Budget:         o.Budget,
		MaxKeySize:     lsm.MaxKeySize + lsm.KeyRoom,
		MaxValueSize:   lsm.MaxValueSize + lsm.ValueRoom,
		Events:         o.Events,
		Compression:    o.Compression,
		Picker:         o.Picker,
		FS:             o.FS,
	}
	if o.tune != nil {
		o.tune(&t)
	}
	return t
}
