package lsm

import (
	"fmt"

	"github.com/weirstate/weir/run"
)

// Put gives a key a value. It is an ErrTooLarge if one of them is above its
// limit, and ErrPartition if the key names no partition, as for all writes; the
// old value stays then. The bytes are copied.
func (db *DB) Put(key, value []byte) error { return db.write(run.Set, key, value) }

// Delete takes the key's value away.
func (db *DB) Delete(key []byte) error { return db.write(run.Delete, key, nil) }

// Append adds bytes at the end of the key's value, in time that does not depend
// on how much it has. Values may so grow above the limit: then reading one as a
// whole is an error, and reading it as a stream works.
func (db *DB) Append(key, value []byte) error { return db.write(run.Append, key, value) }

// DeletePrefix takes away the values of all keys with a prefix, which must be one
// as Options.Split cuts it; else it is ErrRange.
func (db *DB) DeletePrefix(prefix []byte) error {
	if err := db.o.checkPrefix(prefix); err != nil {
		return err
	}
	return db.write(run.DeletePrefix, prefix, nil)
}

// DeleteRange takes away the values of all keys from from to to, excluded. Both
// name partitions: they have Options.PartitionBytes at most. A to of nil is the
// end of all keys. What is not a range of partitions is ErrRange.
func (db *DB) DeleteRange(from, to []byte) error {
	if err := db.o.checkPartitions(run.Range{From: from, To: to}); err != nil {
		return err
	}
	if to == nil {
		to = []byte{} // as the log has it: no range ends at the lowest key
	}
	end, err := db.applyRange(from, to)
	if err != nil {
		return err
	}
	return db.waitForSync(end)
}

func (db *DB) applyRange(from, to []byte) (end logEnd, err error) {
	if err := db.enterToWrite(); err != nil {
		return end, err
	}
	defer db.leaveWrite(&err)
	// A tombstone hides older runs: what there is must be one.
	if db.active.Len() > len(db.active.Ranges()) {
		if err := db.seal(); err != nil {
			return end, err
		}
	}
	return db.apply(opRange, from, to)
}

// rangeOf is what DeleteRange wrote.
func rangeOf(from, to []byte) run.Range {
	if len(to) == 0 {
		return run.Range{From: from}
	}
	return run.Range{From: from, To: to}
}

// checkPartitions says whether a range is one of whole partitions.
func (o *Options) checkPartitions(r run.Range) error {
	if len(r.From) > o.PartitionBytes || len(r.To) > o.PartitionBytes || r.To != nil && r.Empty() {
		return fmt.Errorf("bounds of %d and %d bytes, partitions have %d: %w", len(r.From), len(r.To), o.PartitionBytes, ErrRange)
	}
	return nil
}

// checkKey says whether a key names a partition. If not, the tombstone of its
// prefix would reach over several. A split function that panics for the key does it
// here, before anything is changed.
func (o *Options) checkKey(key []byte) error {
	n, err := o.splitAt(key)
	if err != nil {
		return err
	}
	if n < o.PartitionBytes {
		return fmt.Errorf("prefix of %d bytes, partitions have %d: %w", n, o.PartitionBytes, ErrPartition)
	}
	return nil
}

// write carries out one operation.
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

func (db *DB) applyOne(kind run.Kind, key, value []byte) (end logEnd, err error) {
	if err := db.enterToWrite(); err != nil {
		return end, err
	}
	defer db.leaveWrite(&err)
	return db.apply(kind, key, value)
}

// apply carries out one operation, under the lock.
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
	db.noteWrite(kind)
	return end, nil
}
