package main

import (
	"errors"

	"github.com/dgraph-io/badger/v4"
	compression "github.com/dgraph-io/badger/v4/options"
)

// badgerEngine is Badger. Badger has no operations outside of transactions: each write is a
// transaction. It cannot append to a value.
type badgerEngine struct {
	db       *badger.DB
	snapshot *badger.Txn
	read     *badger.Txn // the transaction of all Gets since the last write; nil before the first Get
	value    []byte      // the value that Get has returned
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
	return &badgerEngine{db: db}, nil
}

// write calls change in a new transaction.
func (b *badgerEngine) write(change func(*badger.Txn) error) error {
	b.endRead()
	return b.db.Update(change)
}

// endRead ends the transaction of Gets, because it does not see later writes.
func (b *badgerEngine) endRead() {
	if b.read != nil {
		b.read.Discard()
		b.read = nil
	}
}

// clone returns a copy of b. Badger keeps keys and values after the transaction has ended.
func clone(b []byte) []byte { return append([]byte(nil), b...) }

func (b *badgerEngine) Put(key, value []byte) error {
	return b.write(func(t *badger.Txn) error { return t.Set(clone(key), clone(value)) })
}

func (b *badgerEngine) Delete(key []byte) error {
	return b.write(func(t *badger.Txn) error { return t.Delete(clone(key)) })
}

func (b *badgerEngine) Append(_, _ []byte) error { return errUnsupported }

func (b *badgerEngine) Get(key []byte) ([]byte, bool, error) {
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

func (b *badgerEngine) Prefix(prefix []byte, do func(key, value []byte) error) error {
	return b.walk(badger.IteratorOptions{PrefetchValues: false, Prefix: prefix}, do)
}

func (b *badgerEngine) Scan(do func(key, value []byte) error) error {
	return b.walk(badger.IteratorOptions{PrefetchValues: false}, do)
}

// walk calls do for the entries of an iterator. It uses a new transaction: do may write, which
// ends that of the Gets.
func (b *badgerEngine) walk(o badger.IteratorOptions, do func(key, value []byte) error) error {
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

func (b *badgerEngine) Snapshot() error {
	if b.snapshot != nil {
		b.snapshot.Discard()
	}
	b.snapshot = b.db.NewTransaction(false)
	return nil
}

// Settle calls Flatten, which compacts all levels into one. Badger has no cheaper call that waits
// for compactions, and does not report whether a memtable is being flushed.
func (b *badgerEngine) Settle() error {
	b.endRead()
	return b.db.Flatten(2)
}

func (b *badgerEngine) DiskBytes() int64 {
	var total int64
	for _, t := range b.db.Tables() {
		total += int64(t.OnDiskSize)
	}
	return total
}

func (b *badgerEngine) Close() error {
	b.endRead()
	if b.snapshot != nil {
		b.snapshot.Discard()
	}
	return b.db.Close()
}
