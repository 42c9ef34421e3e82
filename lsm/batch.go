package lsm

import (
	"fmt"

	"github.com/weirstate/weir/lsm/internal/manifest"
	"github.com/weirstate/weir/run"
)

// Batch is a list of operations that take effect together and in order: after a crash the store
// has all of them or none. The zero value is an empty batch.
//
// Thread safety: one goroutine.
type Batch struct {
	// record is the log record of the batch; it holds copies of the keys and values.
	record []byte
	count  int
	bytes  int64
	// first error of an operation
	err error
}

// operation is one write: a kind, a key, and a value if the kind has one.
type operation struct {
	kind       run.Kind
	key, value []byte
}

// Put adds a write of a value: see DB.Put.
func (b *Batch) Put(key, value []byte) { b.add(run.Set, key, value) }

// Delete adds a delete of a key: see DB.Delete.
func (b *Batch) Delete(key []byte) { b.add(run.Delete, key, nil) }

// Append adds an append to a value: see DB.Append.
func (b *Batch) Append(key, value []byte) { b.add(run.Append, key, value) }

// DeletePrefix adds a delete of all keys with a prefix: see DB.DeletePrefix.
func (b *Batch) DeletePrefix(prefix []byte) { b.add(run.DeletePrefix, prefix, nil) }

// Len returns the number of operations.
func (b *Batch) Len() int { return b.count }

// Reset empties the batch and keeps its memory.
func (b *Batch) Reset() {
	*b = Batch{record: b.record[:0]}
}

// add encodes an operation. It remembers the first key or value that is too large.
func (b *Batch) add(kind run.Kind, key, value []byte) {
	if len(b.record) == 0 {
		b.record = append(b.record, recordOps)
	}
	// Refuse keys and values above any limit before they are copied.
	limits := Options{MaxKeySize: highestKeySize, MaxValueSize: highestValueSize}
	if err := limits.checkSize(key, value); err != nil {
		if b.err == nil {
			b.err = err
		}
		return
	}
	b.record = appendOp(b.record, kind, key, value)
	b.count++
	b.bytes += int64(len(key)) + int64(len(value))
}

// operations decodes the record.
func (b *Batch) operations() (all []operation) {
	if b.count == 0 {
		return nil
	}
	p := manifest.NewParser(b.record[1:])
	for range b.count {
		op := operation{kind: run.Kind(p.Byte())}
		op.key = p.Bytes(uint64(highestKeySize))
		if op.kind.HasValue() {
			op.value = p.Bytes(uint64(highestValueSize))
		}
		all = append(all, op)
	}
	return all
}

// Apply executes a batch, which stays unchanged. If one operation is invalid, Apply returns its
// error and executes none.
func (db *DB) Apply(b *Batch) error {
	if b.err != nil {
		return b.err
	}
	operations := b.operations()
	for i, op := range operations {
		err := db.o.checkSize(op.key, op.value)
		if err == nil && op.kind == run.DeletePrefix {
			err = db.o.checkPrefix(op.key)
		}
		if err == nil {
			err = db.o.checkKey(op.key)
		}
		if err != nil {
			return fmt.Errorf("operation %d of the batch: %w", i, err)
		}
	}
	if len(operations) == 0 {
		return nil
	}
	end, err := db.applyBatch(b, operations)
	if err != nil {
		return err
	}
	return db.waitForSync(end)
}

// applyBatch takes the lock and writes all operations: to the log in one record, then to the
// memtable.
func (db *DB) applyBatch(b *Batch, operations []operation) (end logEnd, err error) {
	if err := db.lockForWrite(); err != nil {
		return end, err
	}
	defer db.unlockAfterWrite(&err)
	if db.isLarge(b.bytes) {
		return db.applyLarge(b.bytes, operations)
	}
	if err := db.makeRoom(b.bytes); err != nil {
		return end, err
	}
	if db.logs.w != nil {
		if end, err = db.logRecord(b.record); err != nil {
			return end, err
		}
	}
	for _, op := range operations {
		db.active.apply(&db.o.Split, &db.scratch.lookupKey, op.kind, op.key, op.value)
		db.updateGaps(op.kind)
	}
	db.writes++
	return end, nil
}
