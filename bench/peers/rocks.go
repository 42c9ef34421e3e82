package main

import "github.com/weirstate/weir/bench/peers/rocksdb"

// rocks is RocksDB with what its documentation recommends for this use. Writes
// are put off until there are 64, unless single operations are timed.
type rocks struct {
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
	return &rocks{DB: db}, nil
}

func (r *rocks) Prefix(prefix []byte, do func(key, value []byte) error) error {
	return r.Walk(prefix, do)
}

func (r *rocks) Scan(do func(key, value []byte) error) error { return r.Walk(nil, do) }

func (r *rocks) Batch(n int, key func() []byte) {
	r.keys.Reset()
	for range n {
		r.keys.Key(key())
	}
}

func (r *rocks) GetBatch() (int, error) { return r.GetAll(&r.keys) }

func (r *rocks) ChangeBatch(stamp uint64) (int, error) { return r.ChangeAll(&r.keys, stamp) }
