// Package pebblestate keeps keyed state in Pebble: the thinnest backend.ByteBackend
// over it, to compare what the contract costs on it and on lsmstate. It has no
// timers and takes no snapshots.
package pebblestate

import (
	"errors"
	"io"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"

	"github.com/weirstate/weir/state/backend"
)

// ErrTimers is for services that are declared.
var ErrTimers = errors.New("pebblestate has no timers")

// Options say how the backend works.
type Options struct {
	backend.Options
	// BudgetBytes is for cache and memtables together.
	BudgetBytes int64
	// Merger joins values; Pebble's own takes a time that is quadratic in their size.
	Merger *pebble.Merger
}

// Backend is a backend in a directory. It satisfies backend.ByteBackend.
//
// Thread safety: one goroutine.
type Backend struct {
	registry *backend.Registry
	db       *pebble.DB
	writes   uint64    // counts them, for cursors
	value    io.Closer // of the last Get
}

var _ backend.ByteBackend = (*Backend)(nil)

// Open opens an empty backend in an empty directory.
func Open(dir string, o Options) (*Backend, error) {
	registry, err := backend.NewRegistry(o.Options)
	if err != nil {
		return nil, err
	}
	p := &pebble.Options{
		CacheSize:             o.BudgetBytes, // memtables are taken out of it
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

// quiet is a logger that says nothing but what is fatal.
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

// enter begins a call.
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

// write is enter and a write.
func (b *Backend) write(do func(w *pebble.DB) error) error {
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
	return b.write(func(w *pebble.DB) error { return w.Set(key, value, pebble.NoSync) })
}

// Delete implements backend.ByteBackend.
func (b *Backend) Delete(key []byte) error {
	return b.write(func(w *pebble.DB) error { return w.Delete(key, pebble.NoSync) })
}

// Append implements backend.ByteBackend, as Flink's lists on RocksDB do: by an operand
// of a merge.
func (b *Backend) Append(prefix, value []byte) error {
	return b.write(func(w *pebble.DB) error { return w.Merge(prefix, value, pebble.NoSync) })
}

// DeletePrefix implements backend.ByteBackend, as Flink does on RocksDB: key by key,
// since a tombstone of a range for every map that is cleared makes reads slow.
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

// iterator walks the keys with a prefix.
func (b *Backend) iterator(prefix []byte) (*pebble.Iterator, error) {
	return b.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: after(prefix)})
}

// after returns the lowest key above all keys with a prefix, or nil if no such key exists.
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
