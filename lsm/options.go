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

// Limits of keys and values, in bytes. A key or value of exactly this size is legal.
const (
	MaxKeySize   int64 = 1 << 31
	MaxValueSize int64 = 1 << 31

	// KeyRoom and ValueRoom are the numbers of bytes by which Options may raise the limits
	// above the constants. A layer that adds bytes to each key or value, such as a row number
	// or a header, raises the limits by that many bytes and offers the full limits to its own
	// users.
	KeyRoom   int64 = 64
	ValueRoom int64 = 4 << 20
)

// Split cuts keys into prefix and suffix. See Options.Split.
type Split = run.Split

// WholeKey is the Split whose prefix is the whole key: no two keys share a prefix.
var WholeKey = run.WholeKey

// Compression is the algorithm that compresses the blocks of a level.
type Compression = sstable.Compression

// Compression algorithms.
const (
	NoCompression = sstable.None
	S2            = sstable.S2
	Zstd          = sstable.Zstd
)

// LogMode sets the durability of unflushed writes, for stores that end without Close:
//
//	mode         kill -9 loses                 a power cut loses                        cost of a write
//	LogOff       writes after the last flush   writes after the last flush              none
//	LogBuffered  the last 64 KiB of the log    the part of the log that is not synced   a copy
//	LogWritten   no write that had returned    the part of the log that is not synced   a write(2)
//	LogSynced    no write that had returned    no write that had returned               a write(2) and a shared fsync
//
// Only the last writes can be lost: after a crash the store holds a prefix of the writes.
type LogMode uint8

const (
	// LogOff keeps no log.
	LogOff LogMode = iota
	// LogBuffered keeps a log. Up to 64 KiB of it wait in the process, and the operating system
	// writes the rest to the disk at a time of its choice.
	LogBuffered
	// LogWritten hands each write to the operating system before the call returns. Writes
	// survive the end of the process; they survive a power cut once the system has written them
	// to the disk.
	LogWritten
	// LogSynced syncs the log before a write returns. The system gets the write before readers
	// can see it. Writers that wait at the same time share one sync.
	LogSynced
)

// Options configure a store. The zero value works.
type Options struct {
	// Split cuts keys into prefix and suffix, for DeletePrefix and Prefix. Its name and its
	// results must not change for the life of the store. Default WholeKey.
	Split Split
	// PartitionBytes is the number of leading bytes of a key that name its partition. Files end
	// at borders of partitions; DeleteRange and Restore take whole partitions. A write of a key
	// whose prefix is shorter returns ErrPartition. The number must not change for the life of
	// the store. Default 0: the whole store is one partition; at most 64.
	PartitionBytes int

	// Log sets which unflushed writes a crash loses. Default LogOff.
	Log LogMode

	// Budget is the memory for memtables, cached blocks, filters and indexes. Several stores
	// may share a Budget. Default: the store has its own budget of BudgetBytes.
	Budget *Budget
	// BudgetBytes is the size of the store's own budget. Leave it at 0 if Budget is set.
	// Default 64 MiB.
	BudgetBytes int64
	// MaxOpenFiles limits the number of open tables. Lower it where the system allows few file
	// descriptors. Stores that share a Budget share one limit: leave MaxOpenFiles at 0 for them
	// and call Budget.LimitOpenFiles. Default DefaultMaxOpenFiles, 400.
	MaxOpenFiles int
	// MemtableBytes is the size at which the store seals a memtable. Default 1/8 of the budget,
	// but at least 512 KiB and at most 64 MiB. If MemtableBytes is a quarter of the budget or
	// more, each sealed run is flushed at once, and small runs do not share a table.
	MemtableBytes int64
	// BlockBytes is the size of a data block before compression. Smaller blocks make reads from
	// disk cheaper, larger blocks compress better. Default 4 KiB; 512 bytes to 64 KiB.
	BlockBytes int
	// FileBytes is the target size of a file below level 0: the file ends at the first border
	// of partitions after FileBytes, or at the first border of prefixes after twice that size.
	// Default 16 MiB.
	FileBytes int64
	// FilterBits is the number of filter bits per key, at most 64. Default 10; a negative
	// number turns filters off. A table whose number of keys and prefixes exceeds the budget in
	// bytes / 32 (2 million for 64 MiB) gets no filter. Only tables of NewTiered, and tables
	// whose keys have few distinct prefixes, grow that large.
	FilterBits int
	// Compression lists the compression of level 0, level 1 and so on. The last entry applies
	// to all further levels. Default S2 for all levels.
	Compression []Compression

	// MaxKeySize and MaxValueSize change the limits: lower them for tests, or raise them by up
	// to KeyRoom and ValueRoom. Default: the constants of the same name.
	MaxKeySize, MaxValueSize int64

	// Filter, if not nil, drops or changes entries during compactions. See Filter.
	Filter   Filter
	filtered run.Range // keys that Filter is asked about
	// NewMemtable makes memtables. An implementation of your own must pass the tests of
	// memtable/memtabletest: see docs/extending.md. Default memtable.NewHash.
	NewMemtable func(memtable.Options) memtable.Table
	// Picker chooses the next compaction. Each store needs its own Picker. Default NewLeveled.
	Picker Picker
	// Events are callbacks. Default: none.
	Events Events

	// FS is the file system. An implementation of your own must pass the tests of vfs/vfstest:
	// see docs/extending.md. Default: the file system of the operating system.
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
	maxFilterBits    = 64 // limit of package sstable
)

// complete checks the options and returns them with defaults filled in.
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

// check returns an error that names the first option out of range.
func (o *Options) check() error {
	switch {
	case o.Split.Name == "":
		return fmt.Errorf("Split has a function but no name")
	case o.Split.Func == nil:
		return fmt.Errorf("Split %q has no function", o.Split.Name)
	case o.PartitionBytes < 0 || o.PartitionBytes > manifest.MaxPartitionBytes:
		return fmt.Errorf("PartitionBytes is %d, want 0 to %d", o.PartitionBytes, manifest.MaxPartitionBytes)
	case o.Log > LogSynced:
		return fmt.Errorf("Log is %d, want %d to %d", o.Log, LogOff, LogSynced)
	case o.BlockBytes < minBlockBytes || o.BlockBytes > maxBlockBytes:
		return fmt.Errorf("BlockBytes is %d, want %d to %d", o.BlockBytes, minBlockBytes, maxBlockBytes)
	case o.MaxOpenFiles < 0:
		return fmt.Errorf("MaxOpenFiles is %d, want 0 or more", o.MaxOpenFiles)
	case o.MaxOpenFiles > 0 && o.Budget != nil:
		return fmt.Errorf("MaxOpenFiles is %d, want 0 with a Budget: use Budget.LimitOpenFiles", o.MaxOpenFiles)
	case o.BudgetBytes != 0 && o.Budget != nil:
		return fmt.Errorf("BudgetBytes is %d, want 0 with a Budget, which has its own size", o.BudgetBytes)
	case o.FilterBits > maxFilterBits:
		return fmt.Errorf("FilterBits is %d, want at most %d", o.FilterBits, maxFilterBits)
	case o.FileBytes < 1 || o.MemtableBytes < 0 || o.BudgetBytes < 0:
		return fmt.Errorf("FileBytes is %d, MemtableBytes %d, BudgetBytes %d, want 0 or more", o.FileBytes, o.MemtableBytes, o.BudgetBytes)
	case o.MaxKeySize < 1 || o.MaxKeySize > highestKeySize || o.MaxValueSize < 1 || o.MaxValueSize > highestValueSize:
		return fmt.Errorf("MaxKeySize is %d and MaxValueSize %d, want 1 to %d and 1 to %d", o.MaxKeySize, o.MaxValueSize, highestKeySize, highestValueSize)
	}
	if p, ok := o.Picker.(invalidTiered); ok {
		return fmt.Errorf("NewTiered(%d), want 0 or at least 2 runs", p.runs)
	}
	for level, c := range o.Compression {
		if c > Zstd {
			return fmt.Errorf("Compression of level %d is %d, want %d to %d", level, c, NoCompression, Zstd)
		}
	}
	return nil
}

// checkWhole returns ErrTooLarge for a value that cannot be read as a whole: appends may have
// grown it beyond the limit, or beyond the address space.
func (o *Options) checkWhole(size int64) error {
	if limit := min(o.MaxValueSize, math.MaxInt); size > limit {
		return &SizeError{"value", size, limit}
	}
	return nil
}

// checkSize returns a SizeError if the key or the value exceeds its limit.
func (o *Options) checkSize(key, value []byte) error {
	if size := int64(len(key)); size > o.MaxKeySize {
		return &SizeError{"key", size, o.MaxKeySize}
	}
	if size := int64(len(value)); size > o.MaxValueSize {
		return &SizeError{"value", size, o.MaxValueSize}
	}
	return nil
}

// tables returns the options of the table store.
func (o *Options) tables() version.TableOptions {
	return version.TableOptions{
		Split: o.Split, BlockBytes: o.BlockBytes, FilterBits: o.FilterBits, Compression: o.Compression,
		Slabs: o.Budget.slabs, Cache: o.Budget.cache, Handles: o.Budget.handles,
		FilterMemory: o.Budget.Limit() / maxFilterShare,
	}
}

// checkCatalog returns ErrMismatch if an option that can never change differs from the one that
// the store was created with.
func (o *Options) checkCatalog(c *manifest.Catalog) error {
	if c.Split != o.Split.Name || c.PartitionBytes != o.PartitionBytes {
		return fmt.Errorf("Split is %q and PartitionBytes %d, want %q and %d as in the store: %w",
			o.Split.Name, o.PartitionBytes, c.Split, c.PartitionBytes, ErrMismatch)
	}
	return nil
}

// maxFilterShare limits the memory for building a table's filter to this fraction (1/4) of the
// budget. A table that needs more gets no filter. Below level 0 this happens only if millions
// of keys have one prefix, such as the entries of a large map: other tables end earlier, at a
// border of prefixes (filterShare in package compaction). Tables of level 0 do not end early.
// They are larger than a memtable only with NewTiered, whose large tables therefore have no
// filter.
const maxFilterShare = 4
