package rocksdb

import "errors"

// ErrUnavailable is returned when the RocksDB library cannot be loaded.
var ErrUnavailable = errors.New("the RocksDB library is not installed")

// Options are the options of a store.
type Options struct {
	CacheBytes    int64 // size of the block cache
	MemtableBytes int64 // size of one memtable
	Memtables     int   // maximum number of memtables
	PrefixBytes   int   // size of the prefix of all keys; 0: no prefix extractor
	Pending       int   // number of writes to collect before a call of the library
}

// Batch is a list of operations for one call of the library.
type Batch struct {
	kinds              []uint8
	keys, values       []byte
	keyEnds, valueEnds []uint32
}

// Key adds a key to read.
func (b *Batch) Key(key []byte) { b.add(0, key, nil) }

func (b *Batch) add(kind uint8, key, value []byte) {
	b.kinds = append(b.kinds, kind)
	b.keys = append(b.keys, key...)
	b.values = append(b.values, value...)
	b.keyEnds = append(b.keyEnds, uint32(len(b.keys)))
	b.valueEnds = append(b.valueEnds, uint32(len(b.values)))
}

// Len returns the number of operations.
func (b *Batch) Len() int { return len(b.kinds) }

// Reset empties the batch.
func (b *Batch) Reset() {
	b.kinds, b.keys, b.values = b.kinds[:0], b.keys[:0], b.values[:0]
	b.keyEnds, b.valueEnds = b.keyEnds[:0], b.valueEnds[:0]
}
