package lsm

import (
	"fmt"

	"github.com/weirstate/weir/run"
)

// Put sets the value of a key. It copies key and value. Like all writes it returns ErrTooLarge
// if the key or the value exceeds its limit, and ErrPartition if the key's prefix is shorter
// than Options.PartitionBytes; then the old value stays.
func (db *DB) Put(key, value []byte) error { return db.write(run.Set, key, value) }

// Delete removes the value of a key.
func (db *DB) Delete(key []byte) error { return db.write(run.Delete, key, nil) }

// Append adds bytes to the end of the key's value. A key without a value gets the bytes as its
// value. The cost does not depend on the size of the existing value. Appends may grow the value
// above the limit: then read it with Stream, because Get returns ErrTooLarge.
func (db *DB) Append(key, value []byte) error { return db.write(run.Append, key, value) }

// DeletePrefix removes the values of all keys with a prefix. It writes one tombstone and visits
// only keys in the active memtable. It returns ErrRange unless prefix is a whole prefix, as
// Options.Split cuts it.
func (db *DB) DeletePrefix(prefix []byte) error {
	if err := db.o.checkPrefix(prefix); err != nil {
		return err
	}
	return db.write(run.DeletePrefix, prefix, nil)
}

// DeleteRange removes the values of all keys in [from, to), with one tombstone. Both bounds are
// borders of partitions: they have at most Options.PartitionBytes bytes. If to is nil, the
// range ends after the highest key. Invalid bounds return ErrRange.
func (db *DB) DeleteRange(from, to []byte) error {
	if err := db.o.checkPartitions(run.Range{From: from, To: to}); err != nil {
		return err
	}
	if to == nil {
		to = []byte{} // empty as in the log: no range ends at the lowest key
	}
	end, err := db.applyRange(from, to)
	if err != nil {
		return err
	}
	return db.waitForSync(end)
}

// applyRange takes the lock, seals the memtable unless it holds only range tombstones, and
// writes the tombstone.
func (db *DB) applyRange(from, to []byte) (end logEnd, err error) {
	if err := db.lockForWrite(); err != nil {
		return end, err
	}
	defer db.unlockAfterWrite(&err)
	// Seal first: a range tombstone hides only older runs.
	if db.active.Len() > len(db.active.Ranges()) {
		if err := db.seal(); err != nil {
			return end, err
		}
	}
	return db.apply(opRange, from, to)
}

// rangeOf returns the range of an opRange, whose empty to is the end of all keys.
func rangeOf(from, to []byte) run.Range {
	if len(to) == 0 {
		return run.Range{From: from}
	}
	return run.Range{From: from, To: to}
}

// checkPartitions returns ErrRange unless the range consists of whole partitions.
func (o *Options) checkPartitions(r run.Range) error {
	if len(r.From) > o.PartitionBytes || len(r.To) > o.PartitionBytes || r.To != nil && r.Empty() {
		return fmt.Errorf("bounds have %d and %d bytes, want partitions of at most %d bytes in ascending order: %w", len(r.From), len(r.To), o.PartitionBytes, ErrRange)
	}
	return nil
}

// checkKey returns ErrPartition if the key's prefix is shorter than a partition: a tombstone of
// that prefix would cover several partitions. It also calls the split function before anything
// is changed, so that a panic of it does no harm.
func (o *Options) checkKey(key []byte) error {
	n, err := o.splitAt(key)
	if err != nil {
		return err
	}
	if n < o.PartitionBytes {
		return fmt.Errorf("prefix has %d bytes, want at least PartitionBytes, %d: %w", n, o.PartitionBytes, ErrPartition)
	}
	return nil
}

// write executes one operation.
func (db *DB) write(kind run.Kind, key, value []byte) error {
	if err := db.o.checkSize(key, value); err != nil {
		return err
	}
	if err := db.o.checkKey(key); err != nil {
		return err
	}
	end, err := db.applyOne(kind, key, value)
	if err != nil {
		return err
	}
	return db.waitForSync(end)
}

// applyOne takes the lock and executes one operation.
func (db *DB) applyOne(kind run.Kind, key, value []byte) (end logEnd, err error) {
	if err := db.lockForWrite(); err != nil {
		return end, err
	}
	defer db.unlockAfterWrite(&err)
	return db.apply(kind, key, value)
}

// apply executes one operation for a caller that holds the lock.
func (db *DB) apply(kind run.Kind, key, value []byte) (end logEnd, err error) {
	bytes := int64(len(key)) + int64(len(value))
	if db.isLarge(bytes) {
		return db.applyLarge(bytes, []operation{{kind, key, value}})
	}
	if err := db.makeRoom(bytes); err != nil {
		return end, err
	}
	if db.logs.w != nil {
		if end, err = db.logOp(kind, key, value); err != nil {
			return end, err
		}
	}
	db.active.apply(&db.o.Split, &db.scratch.lookupKey, kind, key, value)
	db.writes++
	db.updateGaps(kind)
	return end, nil
}
