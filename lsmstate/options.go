package lsmstate

import (
	"cmp"
	"fmt"

	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/vfs"
)

// Options says how a backend works. The zero value works.
type Options struct {
	backend.Options

	// Budget is the memory of the tree: for what is not on disk yet, and for blocks,
	// filters and indexes of what is. Backends may share one, and do best if all of
	// a process do. Default: one of its own of 64 MiB.
	Budget *lsm.Budget

	// Copies keeps the tables of native snapshots for restores. Backends of a process
	// may share one. Default: none; every restore fetches its tables.
	Copies *LocalCopies

	// Events are told what the tree does: see lsm.Events. Default: nobody is told.
	Events lsm.Events

	// Compression is that of level 0 of the tree, level 1 and so on; levels beyond have
	// the last one. Default lsm.S2 on all.
	Compression []lsm.Compression

	// Picker chooses what the tree compacts. It belongs to one backend. Default
	// lsm.NewLeveled.
	Picker lsm.Picker

	// Filter decides on rows of keyed state when the tree compacts them; see lsm.Filter.
	// Keys and values are as in docs/format-key.md: backend.SplitHeader tells of which
	// state a row is, and a new value must be one that the state can read. A chunk of a
	// list may come in pieces, as it was appended, each of whole elements. A new value
	// without any bytes drops the row, or the piece. The filter is not asked about timers.
	// It belongs to one backend. Default: every row stays.
	Filter lsm.Filter

	// FS is the file system. Default: the operating system's; others are for tests
	// of this module.
	FS vfs.FS

	// tune changes the options of the tree, and knownOfGroup is how many timers of a
	// key group are in memory: tests reach the limits of both.
	tune         func(*lsm.Options)
	knownOfGroup int
}

// knownTimers is how many timers of a domain are in memory in all key groups
// together, of 10 to 100 bytes each; between 4 and 64 of each group, so that the tree
// is not searched for every one.
const knownTimers = 16 << 10

// knownOf is knownOfGroup for so many groups.
func (o *Options) knownOf(groups int) int {
	return cmp.Or(o.knownOfGroup, min(max(knownTimers/groups, 4), 64))
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

// ofTree returns the options of the tree, but for Filter and what depends on the codec
// of keys.
func (o *Options) ofTree() lsm.Options {
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
