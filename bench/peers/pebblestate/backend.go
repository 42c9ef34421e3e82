// Package pebblestate is a backend for keyed state in Pebble. It implements backend.ByteBackend
// with as little code as possible, to compare the cost of keyed state with that of lsmstate. It
// has no timers and no snapshots.
package pebblestate

import (
	"errors"
	"io"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"

	"github.com/weirstate/weir/state/backend"
)

// ErrTimers is returned by AddTimers.
var ErrTimers = errors.New("pebblestate does not support timers")

// Options are the options of a backend.
type Options struct {
	backend.Options
	// BudgetBytes is the memory of the block cache and the memtables together.
	BudgetBytes int64
	// Merger concatenates appended values. Pebble's default merger takes time quadratic in
	// their size.
	Merger *pebble.Merger
}

// Backend keeps keyed state in a Pebble store. It implements backend.ByteBackend.
//
// Thread safety: not safe for concurrent use.
type Backend struct {
	registry *backend.Registry
	db       *pebble.DB
	writes   uint64    // number of writes, for cursors
	value    io.Closer // releases the value of the last Get
}

var _ backend.ByteBackend = (*Backend)(nil)

// Open opens an empty backend in an empty directory.
func Open(dir string, o Options) (*Backend, error) {
	registry, err := backend.NewRegistry(o.Options)
	if err != nil {
		return nil, err
	}
	p := &pebble.Options{
		CacheSize:             o.BudgetBytes, // includes the memtables
		MemTableSize:          uint64(o.BudgetBytes / 4),
		L0CompactionThreshold: 2,
		LBaseMaxBytes:         o.BudgetBytes,
		DisableWAL:            true,
		FormatMajorVersion:    pebble.FormatNewest,
		Merger:                o.Merger,
		Logger:                quiet{},
		CompactionConcurrencyRange: func() (lower, upper int) {
			return 1, 2
		},
	}
	for i := range p.Levels {
		p.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		p.Levels[i].Compression = func() *sstable.CompressionProfile { return sstable.SnappyCompression }
	}
	db, err := pebble.Open(dir, p)
	if err != nil {
		return nil, err
	}
	return &Backend{registry: registry, db: db}, nil
}

// quiet is a logger that writes only fatal errors.
type quiet struct{}

func (quiet) Infof(string, ...any)           {}
func (quiet) Errorf(string, ...any)          {}
func (quiet) Fatalf(format string, a ...any) { pebble.DefaultLogger.Fatalf(format, a...) }

// Registry implements backend.Backend.
func (b *Backend) Registry() *backend.Registry { return b.registry }

// AddTimers implements backend.Backend.
func (b *Backend) AddTimers(backend.Info, backend.Domain) (backend.TimerQueue, error) {
	return nil, ErrTimers
}

// AddState implements backend.ByteBackend.
func (b *Backend) AddState(backend.Info) error { return b.enter() }

// enter begins a call: it returns ErrClosed after Close, and releases the value of the last Get.
func (b *Backend) enter() error {
	if b.registry.Closed() {
		return backend.ErrClosed
	}
	if b.value == nil {
		return nil
	}
	err := b.value.Close()
	b.value = nil
	return err
}

// write begins a call and makes a write.
func (b *Backend) write(do func(db *pebble.DB) error) error {
	if err := b.enter(); err != nil {
		return err
	}
	b.writes++
	return do(b.db)
}

// Get implements backend.ByteBackend.
func (b *Backend) Get(key []byte) (value []byte, ok bool, err error) {
	if err := b.enter(); err != nil {
		return nil, false, err
	}
	value, b.value, err = b.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, false, nil
	}
	return value, err == nil, err
}

// Set implements backend.ByteBackend.
func (b *Backend) Set(key, value []byte) error {
	return b.write(func(db *pebble.DB) error { return db.Set(key, value, pebble.NoSync) })
}

// Delete implements backend.ByteBackend.
func (b *Backend) Delete(key []byte) error {
	return b.write(func(db *pebble.DB) error { return db.Delete(key, pebble.NoSync) })
}

// Append implements backend.ByteBackend. It writes a merge operand, as Flink's lists on RocksDB
// do.
func (b *Backend) Append(prefix, value []byte) error {
	return b.write(func(db *pebble.DB) error { return db.Merge(prefix, value, pebble.NoSync) })
}

// DeletePrefix implements backend.ByteBackend. It deletes key by key, as Flink does on RocksDB: a
// range tombstone for every cleared map would make reads slow.
func (b *Backend) DeletePrefix(prefix []byte) error {
	if err := b.enter(); err != nil {
		return err
	}
	it, err := b.iterator(prefix)
	if err != nil {
		return err
	}
	for ok := it.First(); ok && err == nil; ok = it.Next() {
		err = b.Delete(it.Key())
	}
	return errors.Join(err, it.Close())
}

// iterator returns an iterator over the keys with a prefix.
func (b *Backend) iterator(prefix []byte) (*pebble.Iterator, error) {
	return b.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: after(prefix)})
}

// after returns the lowest key above all keys with a prefix, or nil if there is no such key.
func after(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}

// Scan implements backend.Backend.
func (b *Backend) Scan(id backend.ID, yield func(key, value []byte) error) error {
	if err := b.enter(); err != nil {
		return err
	}
	groups := b.registry.Keyspace().Groups
	for group := int(groups.First); group <= int(groups.Last); group++ {
		it, err := b.iterator(backend.AppendHeader(nil, uint16(group), id))
		if err != nil {
			return err
		}
		for ok := it.First(); ok && err == nil; ok = it.Next() {
			err = yield(it.Key(), it.Value())
		}
		if err := errors.Join(err, it.Close()); err != nil {
			return err
		}
	}
	return nil
}

// Close implements backend.Backend.
func (b *Backend) Close() error {
	if b.registry.Closed() {
		return nil
	}
	err := b.enter()
	b.registry.Close()
	return errors.Join(err, b.db.Close())
}
