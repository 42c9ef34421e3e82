package lsm

import (
	"cmp"
	"fmt"
	"math"

	"github.com/weirstate/weir/lsm/internal/manifest"
	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/memtable"
	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/sstable"
	"github.com/weirstate/weir/vfs"
)

// Limits of keys and values, in bytes. Exactly so much is legal.
const (
	MaxKeySize   int64 = 1 << 31
	MaxValueSize int64 = 1 << 31

	// KeyRoom and ValueRoom are how much Options may raise the limits. A layer that stores
	// something with each key or value, such as a row number or a header, so keeps the
	// limits for its own users.
	KeyRoom   int64 = 64
	ValueRoom int64 = 4 << 20
)

// Split cuts keys into prefix and suffix. See Options.Split.
type Split = run.Split

// WholeKey is the Split of keys that stand alone.
var WholeKey = run.WholeKey

// Compression of the blocks of a level.
type Compression = sstable.Compression

// How blocks may be compressed.
const (
	NoCompression = sstable.None
	S2            = sstable.S2
	Zstd          = sstable.Zstd
)

// LogMode chooses what happens to writes that are not flushed yet when the store ends
// without Close:
//
//	mode         kill -9 loses                 a power cut loses             a write costs
//	LogOff       writes after the last flush   writes after the last flush   nothing more
//	LogBuffered  the last 64 KiB of the log    the log that is not synced    a copy
//	LogWritten   nothing that had returned     the log that is not synced    a write(2)
//	LogSynced    nothing that had returned     nothing that had returned     a write(2) and a shared fsync
//
// Lost writes are always the last ones: the store has a prefix of what was written.
type LogMode uint8

const (
	// LogOff keeps no log.
	LogOff LogMode = iota
	// LogBuffered writes a log that the system brings to the disk when it
	// likes. Up to 64 KiB wait in the process itself.
	LogBuffered
	// LogWritten hands each write to the system before it returns. It survives the end of
	// the process, but a power cut only once the system has brought it to the disk.
	LogWritten
	// LogSynced lets a write return when the log has it on disk. The system gets it
	// before the write is visible. Writers that wait at the same time share a sync.
	LogSynced
)

// Options says how a store works. The zero value works; nil is the zero value.
type Options struct {
	// Split cuts keys into prefix and suffix, for DeletePrefix and Prefix. It is
	// part of the store. Default WholeKey.
	Split Split
	// PartitionBytes is how many bytes at the front of a key name its partition:
	// files end at borders of partitions, and DeleteRange and clips take whole
	// ones. A write of a key whose prefix has fewer is ErrPartition. It is part of
	// the store. Default 0: all is one partition.
	PartitionBytes int

	// Log chooses what a crash loses of the writes that are not flushed yet. Default LogOff.
	Log LogMode

	// Budget is the memory for memtables, blocks, filters and indexes. Stores
	// may share one. Default: one of its own of BudgetBytes.
	Budget *Budget
	// BudgetBytes is the size of the store's own budget. Default 64 MiB.
	BudgetBytes int64
	// MaxOpenFiles bounds how many tables are open. Lower it where the system allows few
	// descriptors. Stores that share a Budget share the bound as well: leave MaxOpenFiles at 0
	// then and call Budget.LimitOpenFiles. Default DefaultMaxOpenFiles, 400.
	MaxOpenFiles int
	// MemtableBytes is the size at which a memtable is sealed by itself.
	// Default 1/8 of the budget, 512 KiB to 64 MiB. From a quarter of the budget on, small
	// runs do not wait for each other to be flushed together.
	MemtableBytes int64
	// BlockBytes is the size of a data block before compression. Smaller blocks
	// make reads from disk cheaper, larger ones compress better. Default 4 KiB.
	BlockBytes int
	// FileBytes is the size at which a file below level 0 ends, at the next
	// border of a partition; without one it ends at twice the size. Default
	// 16 MiB.
	FileBytes int64
	// FilterBits is the size of filters in bits a key. Default 10; below zero
	// there are none. Nor has a table one that more keys of one prefix are in than
	// the budget has 32 bytes.
	FilterBits int
	// Compression is that of level 0, level 1 and so on; levels beyond have the
	// last one. Default S2 on all.
	Compression []Compression

	// MaxKeySize and MaxValueSize change the limits: lower for tests, higher by up to
	// KeyRoom and ValueRoom. Default: the constants.
	MaxKeySize, MaxValueSize int64

	// Filter, if not nil, decides on entries when they are compacted. See
	// Filter.
	Filter   Filter
	filtered run.Range // that it is asked about
	// NewMemtable makes memtables. An implementation of your own passes the tests of
	// memtable/memtabletest first; see docs/extending.md. Default memtable.NewHash.
	NewMemtable func(memtable.Options) memtable.Table
	// Picker chooses what to compact. It belongs to one store. Default
	// NewLeveled.
	Picker Picker
	// Events are told what goes on. Default: nobody.
	Events Events

	// FS is the file system. An implementation of your own passes the tests of
	// vfs/vfstest first; see docs/extending.md. Default: the operating system's.
	FS vfs.FS
}

const (
	highestKeySize   = MaxKeySize + KeyRoom
	highestValueSize = MaxValueSize + ValueRoom
	defaultFileBytes = 16 << 20
	minMemtableBytes = 512 << 10
	maxMemtableBytes = 64 << 20
	minBlockBytes    = 512
	maxBlockBytes    = 64 << 10
)

// complete checks the options and fills in defaults.
func (o Options) complete() (Options, error) {
	if o.Split.Func == nil && o.Split.Name == "" {
		o.Split = WholeKey
	}
	o.BlockBytes = cmp.Or(o.BlockBytes, sstable.DefaultBlockBytes)
	o.FileBytes = cmp.Or(o.FileBytes, defaultFileBytes)
	o.MaxKeySize = cmp.Or(o.MaxKeySize, MaxKeySize)
	o.MaxValueSize = cmp.Or(o.MaxValueSize, MaxValueSize)
	if len(o.Compression) == 0 {
		o.Compression = []Compression{S2}
	}
	if o.NewMemtable == nil {
		o.NewMemtable = memtable.NewHash
	}
	if o.Picker == nil {
		o.Picker = NewLeveled()
	}
	if o.FS == nil {
		o.FS = vfs.Real{}
	}
	if err := o.check(); err != nil {
		return o, fmt.Errorf("%w: %w", ErrInvalidOption, err)
	}
	var err error
	if o.filtered, err = filterRange(o.Filter); err != nil {
		return o, fmt.Errorf("%w: %w", ErrInvalidOption, err)
	}
	if o.Budget == nil {
		o.Budget = newBudget(o.BudgetBytes, o.BlockBytes)
		o.Budget.LimitOpenFiles(cmp.Or(o.MaxOpenFiles, DefaultMaxOpenFiles))
	}
	byDefault := min(max(o.Budget.Limit()/8, minMemtableBytes), maxMemtableBytes)
	o.MemtableBytes = cmp.Or(o.MemtableBytes, byDefault)
	return o, nil
}

func (o *Options) check() error {
	switch {
	case o.Split.Name == "":
		return fmt.Errorf("a split function has no name")
	case o.Split.Func == nil:
		return fmt.Errorf("split %q has no function", o.Split.Name)
	case o.PartitionBytes < 0 || o.PartitionBytes > manifest.MaxPartitionBytes:
		return fmt.Errorf("partitions of %d bytes, 0 to %d are possible", o.PartitionBytes, manifest.MaxPartitionBytes)
	case o.Log > LogSynced:
		return fmt.Errorf("log mode %d, %d to %d are possible", o.Log, LogOff, LogSynced)
	case o.BlockBytes < minBlockBytes || o.BlockBytes > maxBlockBytes:
		return fmt.Errorf("blocks of %d bytes, %d to %d are possible", o.BlockBytes, minBlockBytes, maxBlockBytes)
	case o.MaxOpenFiles < 0 || o.MaxOpenFiles > 0 && o.Budget != nil:
		return fmt.Errorf("MaxOpenFiles is %d, and must be 0 with a Budget: use Budget.LimitOpenFiles", o.MaxOpenFiles)
	case o.FileBytes < 1 || o.MemtableBytes < 0 || o.BudgetBytes < 0:
		return fmt.Errorf("FileBytes %d, MemtableBytes %d, BudgetBytes %d: none may be below zero", o.FileBytes, o.MemtableBytes, o.BudgetBytes)
	case o.MaxKeySize < 1 || o.MaxKeySize > highestKeySize || o.MaxValueSize < 1 || o.MaxValueSize > highestValueSize:
		return fmt.Errorf("limits of %d and %d bytes, %d and %d are the highest", o.MaxKeySize, o.MaxValueSize, highestKeySize, highestValueSize)
	}
	for level, c := range o.Compression {
		if c > Zstd {
			return fmt.Errorf("compression %d of level %d, %d to %d are possible", c, level, NoCompression, Zstd)
		}
	}
	return nil
}

// checkWhole says whether a value may be read as a whole: appends may have made
// it larger than the limit, or than the system has addresses for.
func (o *Options) checkWhole(size int64) error {
	if limit := min(o.MaxValueSize, math.MaxInt); size > limit {
		return &SizeError{"value", size, limit}
	}
	return nil
}

// checkSize says whether key and value are within their limits.
func (o *Options) checkSize(key, value []byte) error {
	if size := int64(len(key)); size > o.MaxKeySize {
		return &SizeError{"key", size, o.MaxKeySize}
	}
	if size := int64(len(value)); size > o.MaxValueSize {
		return &SizeError{"value", size, o.MaxValueSize}
	}
	return nil
}

// tables returns how tables are written and read.
func (o *Options) tables() version.TableOptions {
	return version.TableOptions{
		Split: o.Split, BlockBytes: o.BlockBytes, FilterBits: o.FilterBits, Compression: o.Compression,
		Slabs: o.Budget.slabs, Cache: o.Budget.cache, Handles: o.Budget.handles,
		FilterMemory: o.Budget.Limit() / maxFilterShare,
	}
}

// checkCatalog compares what can never change with what the store was made with.
func (o *Options) checkCatalog(c *manifest.Catalog) error {
	if c.Split != o.Split.Name || c.PartitionBytes != o.PartitionBytes {
		return fmt.Errorf("split %q and partitions of %d bytes, made with %q and %d: %w",
			o.Split.Name, o.PartitionBytes, c.Split, c.PartitionBytes, ErrMismatch)
	}
	return nil
}

// maxFilterShare is which part of a budget that memory may have: a table that would need
// more has no filter. It has one prefix nearly all over, which no table divides, as a map
// of millions of entries under one key is.
const maxFilterShare = 4
