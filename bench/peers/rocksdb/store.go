//go:build cgo && (linux || darwin)

package rocksdb

/*
#cgo linux LDFLAGS: -ldl
#include <stdlib.h>
#include "calls.h"
#include "store.h"
*/
import "C"

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"unsafe"
)

// load loads the library at its first call.
var load = sync.OnceValue(func() error {
	if missing := C.calls_load(); missing != nil {
		return fmt.Errorf("%w: %s not found", ErrUnavailable, C.GoString(missing))
	}
	return nil
})

// Available returns nil if the library can be loaded, otherwise ErrUnavailable.
func Available() error { return load() }

// DB is an open store without a write-ahead log.
//
// Thread safety: not safe for concurrent use.
type DB struct {
	s       C.store
	pending Batch  // writes that were not sent to the library yet
	limit   int    // maximum number of pending writes
	buffer  []byte // for entries of Walk
}

// Open creates a store in a directory.
func Open(dir string, o Options) (*DB, error) {
	if err := load(); err != nil {
		return nil, err
	}
	name := C.CString(dir)
	defer C.free(unsafe.Pointer(name))
	db := &DB{limit: max(1, o.Pending), buffer: make([]byte, 64<<10)}
	err := failure(C.store_open(&db.s, name, C.settings{
		cache: C.size_t(o.CacheBytes), memtable: C.size_t(o.MemtableBytes),
		memtables: C.int(o.Memtables), prefix: C.size_t(o.PrefixBytes),
	}))
	if err != nil {
		return nil, err
	}
	return db, nil
}

// failure returns the error of a call, and frees the message. It returns nil for no message.
func failure(message *C.char) error {
	if message == nil {
		return nil
	}
	defer C.store_free(unsafe.Pointer(message))
	return errors.New(C.GoString(message))
}

// Put sets the value of a key.
func (db *DB) Put(key, value []byte) error { return db.write(C.STORE_PUT, key, value) }

// Delete removes a key.
func (db *DB) Delete(key []byte) error { return db.write(C.STORE_DELETE, key, nil) }

// Append appends bytes to the value of a key, by a merge operand.
func (db *DB) Append(key, value []byte) error { return db.write(C.STORE_APPEND, key, value) }

// write adds a write to the pending ones, and sends all to the library if there are
// Options.Pending of them.
func (db *DB) write(kind uint8, key, value []byte) error {
	db.pending.add(kind, key, value)
	if db.pending.Len() < db.limit {
		return nil
	}
	return db.Write()
}

// Write sends the pending writes to the library.
func (db *DB) Write() error {
	if db.pending.Len() == 0 {
		return nil
	}
	defer db.pending.Reset()
	return db.pending.with(func(b *C.batch) error { return failure(C.store_write(&db.s, b)) })
}

// with calls do with the batch as a C structure. The memory is pinned during the call.
func (b *Batch) with(do func(*C.batch) error) error {
	var pins runtime.Pinner
	defer pins.Unpin()
	c := C.batch{n: C.int(b.Len())}
	pins.Pin(unsafe.SliceData(b.kinds))
	pins.Pin(unsafe.SliceData(b.keys))
	pins.Pin(unsafe.SliceData(b.keyEnds))
	pins.Pin(unsafe.SliceData(b.valueEnds))
	c.kinds = (*C.uint8_t)(unsafe.SliceData(b.kinds))
	c.keys = (*C.char)(unsafe.Pointer(unsafe.SliceData(b.keys)))
	c.key_ends = (*C.uint32_t)(unsafe.SliceData(b.keyEnds))
	c.value_ends = (*C.uint32_t)(unsafe.SliceData(b.valueEnds))
	if len(b.values) > 0 {
		pins.Pin(unsafe.SliceData(b.values))
		c.values = (*C.char)(unsafe.Pointer(unsafe.SliceData(b.values)))
	}
	return do(&c)
}

// Get returns the value of a key. The value is valid until the next call.
func (db *DB) Get(key []byte) ([]byte, bool, error) {
	if err := db.Write(); err != nil {
		return nil, false, err
	}
	var size C.int64_t
	err := failure(C.store_get(&db.s, (*C.char)(unsafe.Pointer(unsafe.SliceData(key))), C.size_t(len(key)), &size))
	if err != nil || size < 0 {
		return nil, false, err
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(db.s.scratch)), int(size)), true, nil
}

// GetAll reads the keys of a batch and returns how many exist.
func (db *DB) GetAll(b *Batch) (found int, err error) {
	return db.all(b, func(c *C.batch, n *C.int64_t) *C.char { return C.store_get_all(&db.s, c, n) })
}

// ChangeAll reads the keys of a batch and writes their values back with a number in the first 8
// bytes: stamp for the first key, and one more for each following key. It returns how many keys
// exist.
func (db *DB) ChangeAll(b *Batch, stamp uint64) (found int, err error) {
	return db.all(b, func(c *C.batch, n *C.int64_t) *C.char {
		return C.store_change_all(&db.s, c, C.uint64_t(stamp), n)
	})
}

// all calls a function of the library for a batch of keys, after the pending writes. It returns
// the number of keys found.
func (db *DB) all(b *Batch, call func(*C.batch, *C.int64_t) *C.char) (int, error) {
	if err := db.Write(); err != nil {
		return 0, err
	}
	var found C.int64_t
	err := b.with(func(c *C.batch) error { return failure(call(c, &found)) })
	return int(found), err
}

// Walk calls do for the entries of a prefix, or for all entries if it is empty, in the order of
// their keys. Key and value are valid during the call of do.
func (db *DB) Walk(prefix []byte, do func(key, value []byte) error) (err error) {
	if err := db.Write(); err != nil {
		return err
	}
	it := C.walk_open(&db.s, (*C.char)(unsafe.Pointer(unsafe.SliceData(prefix))), C.size_t(len(prefix)))
	defer func() { err = errors.Join(err, failure(C.walk_close(it))) }()
	for {
		n := int(C.walk_next(it, (*C.char)(unsafe.Pointer(unsafe.SliceData(db.buffer))), C.size_t(len(db.buffer))))
		if n == 0 {
			return nil
		}
		if n < 0 {
			db.buffer = make([]byte, -n)
			continue
		}
		if err := entries(db.buffer[:n], do); err != nil {
			return err
		}
	}
}

// entries calls do for entries in the form that walk_next writes.
func entries(packed []byte, do func(key, value []byte) error) error {
	for len(packed) > 0 {
		key, value := binary.NativeEndian.Uint32(packed), binary.NativeEndian.Uint32(packed[4:])
		packed = packed[8:]
		if err := do(packed[:key:key], packed[key:key+value:key+value]); err != nil {
			return err
		}
		packed = packed[key+value:]
	}
	return nil
}

// Snapshot takes a snapshot and releases the one before.
func (db *DB) Snapshot() error {
	err := db.Write()
	C.store_snapshot(&db.s)
	return err
}

// Settle flushes the memtables and waits until no flush or compaction is running.
func (db *DB) Settle() error {
	if err := db.Write(); err != nil {
		return err
	}
	return failure(C.store_settle(&db.s))
}

// DiskBytes returns the size of the live tables.
func (db *DB) DiskBytes() int64 { return int64(C.store_disk_bytes(&db.s)) }

// Close sends the pending writes to the library and closes the store.
func (db *DB) Close() error {
	err := db.Write()
	C.store_close(&db.s)
	return err
}
