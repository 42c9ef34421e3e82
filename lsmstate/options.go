package lsmstate

import (
	"cmp"

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

// ofTree are the options of the tree, but for what depends on the codec of keys.
func (o *Options) ofTree() lsm.Options {
	t := lsm.Options{
		PartitionBytes: partitionBytes,
		Budget:         o.Budget,
		MaxValueSize:   lsm.MaxValueSize,
		FS:             o.FS,
	}
	if o.tune != nil {
		o.tune(&t)
	}
	return t
}
