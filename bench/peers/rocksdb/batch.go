package rocksdb

import "errors"

// ErrUnavailable is returned where the library cannot be loaded.
var ErrUnavailable = errors.New("RocksDB's library is not installed")

// Options are those of a store; sizes are in bytes.
type Options struct {
	CacheBytes    int64 // of blocks
	MemtableBytes int64 // of one memtable
	Memtables     int   // at most, at a time
	PrefixBytes   int   // the size of the prefix that all keys have; 0: none
	Pending       int   // writes that may be put off
}

// Batch is operations that go to the library together, packed.
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
