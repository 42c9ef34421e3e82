package main

import "github.com/weirstate/weir/bench/peers/rocksdb"

// rocksEngine is RocksDB with the options that its documentation recommends for this use. It
// defers writes until there are 64, except if each operation is timed.
type rocksEngine struct {
	*rocksdb.DB
	keys rocksdb.Batch
}

func openRocks(dir string, l layout) (engine, error) {
	const memtable, memtables = 64 << 20, 3
	o := rocksdb.Options{
		CacheBytes: budgetBytes - memtables*memtable, MemtableBytes: memtable, Memtables: memtables,
		PrefixBytes: l.prefixBytes, Pending: chunk,
	}
	if l.timed {
		o.Pending = 1
	}
	db, err := rocksdb.Open(dir, o)
	if err != nil {
		return nil, err
	}
	return &rocksEngine{DB: db}, nil
}

func (r *rocksEngine) Prefix(prefix []byte, do func(key, value []byte) error) error {
	return r.Walk(prefix, do)
}

func (r *rocksEngine) Scan(do func(key, value []byte) error) error { return r.Walk(nil, do) }

func (r *rocksEngine) Batch(n int, key func() []byte) {
	r.keys.Reset()
	for range n {
		r.keys.Key(key())
	}
}

func (r *rocksEngine) GetBatch() (int, error) { return r.GetAll(&r.keys) }

func (r *rocksEngine) ChangeBatch(stamp uint64) (int, error) { return r.ChangeAll(&r.keys, stamp) }
