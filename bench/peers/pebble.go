package main

import (
	"errors"
	"io"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"
)

// pebbleEngine is Pebble with the options that its documentation recommends for this use.
type pebbleEngine struct {
	db       *pebble.DB
	snapshot *pebble.Snapshot

	// reader uses the bloom filters of the bottom level, by an option that Pebble's Get does
	// not have. An iterator does not see later writes, so it serves the second and all
	// following Gets after a write, until the next write.
	reader  *pebble.Iterator
	written bool      // no Get since the last write
	value   io.Closer // releases the value of the last Get
}

func openPebble(dir string, l layout) (engine, error) {
	comparer := *pebble.DefaultComparer
	if l.prefixBytes > 0 {
		comparer.Name = "peers.prefix"
		comparer.Split = func(key []byte) int { return min(l.prefixBytes, len(key)) }
	}
	o := &pebble.Options{
		CacheSize:             budgetBytes, // includes the memtables
		MemTableSize:          64 << 20,
		L0CompactionThreshold: 2,
		LBaseMaxBytes:         64 << 20,
		DisableWAL:            true,
		FormatMajorVersion:    pebble.FormatNewest,
		Comparer:              &comparer,
		Merger:                joiner,
		Logger:                quiet{},
		CompactionConcurrencyRange: func() (lower, upper int) {
			return 1, 2
		},
	}
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		o.Levels[i].Compression = func() *sstable.CompressionProfile { return sstable.SnappyCompression }
	}
	db, err := pebble.Open(dir, o)
	if err != nil {
		return nil, err
	}
	return &pebbleEngine{db: db, written: true}, nil
}

// quiet is a logger that writes only fatal errors.
type quiet struct{}

func (quiet) Infof(string, ...any)           {}
func (quiet) Errorf(string, ...any)          {}
func (quiet) Fatalf(format string, a ...any) { pebble.DefaultLogger.Fatalf(format, a...) }

// joiner is a merger that concatenates operands in time linear in their size.
var joiner = &pebble.Merger{
	Name:  "peers.join",
	Merge: func(_, value []byte) (pebble.ValueMerger, error) { return newJoin(value), nil },
}

// join collects the operands of one key.
type join struct {
	older, newer [][]byte // operands older and newer than the first one, nearest first
	bytes        int      // size of all operands
}

func newJoin(value []byte) *join {
	j := new(join)
	_ = j.MergeNewer(value)
	return j
}

func (j *join) MergeNewer(value []byte) error {
	j.newer = append(j.newer, append([]byte(nil), value...))
	j.bytes += len(value)
	return nil
}

func (j *join) MergeOlder(value []byte) error {
	j.older = append(j.older, append([]byte(nil), value...))
	j.bytes += len(value)
	return nil
}

func (j *join) Finish(bool) ([]byte, io.Closer, error) {
	value := make([]byte, 0, j.bytes)
	for i := len(j.older) - 1; i >= 0; i-- {
		value = append(value, j.older[i]...)
	}
	for _, operand := range j.newer {
		value = append(value, operand...)
	}
	return value, nil, nil
}

// beginWrite releases the value and the reader of earlier Gets.
func (p *pebbleEngine) beginWrite() error {
	p.written = true
	return p.release()
}

// release releases the value of the last Get, and the reader if there was a write since.
func (p *pebbleEngine) release() error {
	var err error
	if p.value != nil {
		err = p.value.Close()
		p.value = nil
	}
	if p.reader != nil && p.written {
		err = errors.Join(err, p.reader.Close())
		p.reader = nil
	}
	return err
}

func (p *pebbleEngine) Put(key, value []byte) error {
	return errors.Join(p.beginWrite(), p.db.Set(key, value, pebble.NoSync))
}

// PutShared implements sharedEngine. No goroutine may read at the same time.
func (p *pebbleEngine) PutShared(key, value []byte) error { return p.db.Set(key, value, pebble.NoSync) }

func (p *pebbleEngine) Delete(key []byte) error {
	return errors.Join(p.beginWrite(), p.db.Delete(key, pebble.NoSync))
}

func (p *pebbleEngine) Append(key, value []byte) error {
	return errors.Join(p.beginWrite(), p.db.Merge(key, value, pebble.NoSync))
}

func (p *pebbleEngine) Get(key []byte) ([]byte, bool, error) {
	if err := p.release(); err != nil {
		return nil, false, err
	}
	if p.written {
		p.written = false
		value, closer, err := p.db.Get(key)
		if errors.Is(err, pebble.ErrNotFound) {
			return nil, false, nil
		}
		p.value = closer
		return value, err == nil, err
	}
	if p.reader == nil {
		var err error
		if p.reader, err = p.db.NewIter(&pebble.IterOptions{UseL6Filters: true}); err != nil {
			return nil, false, err
		}
	}
	if !p.reader.SeekPrefixGE(key) || string(p.reader.Key()) != string(key) {
		return nil, false, p.reader.Error()
	}
	value, err := p.reader.ValueAndErr()
	return value, err == nil, err
}

func (p *pebbleEngine) Prefix(prefix []byte, do func(key, value []byte) error) error {
	it, err := p.db.NewIter(&pebble.IterOptions{UseL6Filters: true, UpperBound: after(prefix)})
	if err != nil {
		return err
	}
	return errors.Join(walk(it, it.SeekPrefixGE(prefix), do), it.Close())
}

func (p *pebbleEngine) Scan(do func(key, value []byte) error) error {
	it, err := p.db.NewIter(nil)
	if err != nil {
		return err
	}
	return errors.Join(walk(it, it.First(), do), it.Close())
}

func walk(it *pebble.Iterator, ok bool, do func(key, value []byte) error) error {
	for ; ok; ok = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		if err := do(it.Key(), value); err != nil {
			return err
		}
	}
	return it.Error()
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

func (p *pebbleEngine) Snapshot() error {
	var err error
	if p.snapshot != nil {
		err = p.snapshot.Close()
	}
	p.snapshot = p.db.NewSnapshot()
	return err
}

func (p *pebbleEngine) Settle() error {
	if err := errors.Join(p.beginWrite(), p.db.Flush()); err != nil {
		return err
	}
	for idle := 0; idle < 3; idle++ {
		if m := p.db.Metrics(); m.Compact.NumInProgress > 0 || m.Flush.NumInProgress > 0 {
			idle = 0
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil
}

func (p *pebbleEngine) DiskBytes() int64 { return int64(p.db.Metrics().DiskSpaceUsage()) }

func (p *pebbleEngine) Close() error {
	err := p.beginWrite()
	if p.snapshot != nil {
		err = errors.Join(err, p.snapshot.Close())
	}
	return errors.Join(err, p.db.Close())
}
