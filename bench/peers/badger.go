package main

import (
	"errors"

	"github.com/dgraph-io/badger/v4"
	compression "github.com/dgraph-io/badger/v4/options"
)

// badge is Badger, whose transactions are its only way in: one per write. It has
// no operand that appends.
type badge struct {
	db       *badger.DB
	snapshot *badger.Txn
	read     *badger.Txn // open since the last write
	value    []byte
}

func openBadger(dir string, _ layout) (engine, error) {
	const memtable, memtables = 64 << 20, 2
	o := badger.DefaultOptions(dir).WithLogger(nil).WithCompression(compression.Snappy).
		WithMemTableSize(memtable).WithNumMemtables(memtables).
		WithBlockCacheSize(budgetBytes - memtables*memtable).
		WithDetectConflicts(false).WithNumCompactors(2).WithSyncWrites(false)
	db, err := badger.Open(o)
	if err != nil {
		return nil, err
	}
	return &badge{db: db}, nil
}

// write makes a change in a transaction of its own.
func (b *badge) write(change func(*badger.Txn) error) error {
	b.wrote()
	return b.db.Update(change)
}

func (b *badge) wrote() {
	if b.read != nil {
		b.read.Discard()
		b.read = nil
	}
}

// clone is for Badger, which keeps what it is given until the transaction ends
// and after.
func clone(b []byte) []byte { return append([]byte(nil), b...) }

func (b *badge) Put(key, value []byte) error {
	return b.write(func(t *badger.Txn) error { return t.Set(clone(key), clone(value)) })
}

func (b *badge) Delete(key []byte) error {
	return b.write(func(t *badger.Txn) error { return t.Delete(clone(key)) })
}

func (b *badge) Append(_, _ []byte) error { return errUnsupported }

func (b *badge) Get(key []byte) ([]byte, bool, error) {
	if b.read == nil {
		b.read = b.db.NewTransaction(false)
	}
	item, err := b.read.Get(key)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	b.value, err = item.ValueCopy(b.value)
	return b.value, err == nil, err
}

func (b *badge) Prefix(prefix []byte, do func(key, value []byte) error) error {
	return b.walk(badger.IteratorOptions{PrefetchValues: false, Prefix: prefix}, do)
}

func (b *badge) Scan(do func(key, value []byte) error) error {
	return b.walk(badger.IteratorOptions{PrefetchValues: false}, do)
}

// walk has a transaction of its own, since do may write.
func (b *badge) walk(o badger.IteratorOptions, do func(key, value []byte) error) error {
	t := b.db.NewTransaction(false)
	defer t.Discard()
	it := t.NewIterator(o)
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		item := it.Item()
		err := item.Value(func(value []byte) error { return do(item.Key(), value) })
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *badge) Snapshot() error {
	if b.snapshot != nil {
		b.snapshot.Discard()
	}
	b.snapshot = b.db.NewTransaction(false)
	return nil
}

// Settle merges down to one level per call: Badger has no call that waits for less, and does not
// report whether a memtable is being flushed.
func (b *badge) Settle() error {
	b.wrote()
	return b.db.Flatten(2)
}

func (b *badge) DiskBytes() int64 {
	var total int64
	for _, t := range b.db.Tables() {
		total += int64(t.OnDiskSize)
	}
	return total
}

func (b *badge) Close() error {
	b.wrote()
	if b.snapshot != nil {
		b.snapshot.Discard()
	}
	return b.db.Close()
}
