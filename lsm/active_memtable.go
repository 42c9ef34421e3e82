package lsm

import (
	"fmt"

	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/memtable"
	"github.com/weirstate/weir/run"
)

// activeMemtable is the memtable that receives writes, with the number of bytes written.
type activeMemtable struct {
	memtable.Table
	writtenBytes int64
}

// newTable returns an empty memtable.
func (db *DB) newTable() activeMemtable {
	return activeMemtable{Table: db.o.NewMemtable(memtable.Options{Budget: db.o.Budget.slabs})}
}

// releaseTable frees a memtable, which may be nil or an implementation of the user that panics.
func releaseTable(t memtable.Table) (err error) {
	if t == nil {
		return nil
	}
	defer catch(fmt.Sprintf("memtable %T", t), &err)
	t.Close()
	return nil
}

// apply executes an operation. It sets the lookup key p to the key.
func (t *activeMemtable) apply(split *Split, p *run.LookupKey, kind run.Kind, key, value []byte) {
	t.writtenBytes += int64(len(key)) + int64(len(value))
	if kind == opRange {
		t.DeleteRange(rangeOf(key, value))
		return
	}
	split.Prepare(p, key)
	switch kind {
	case run.Set:
		t.Set(p, value)
	case run.Delete:
		t.Delete(p)
	case run.Append:
		t.Append(p, value)
	case run.DeletePrefix:
		t.DeletePrefix(p)
	}
}

// isFull reports whether the memtable has reached its size.
func (t *activeMemtable) isFull(limitBytes int64) bool {
	return t.bytesFor(limitBytes) >= limitBytes
}

// bytesFor returns the size to compare with a limit. For small limits, which tests use, that is
// the number of bytes written, because memory grows in larger steps.
func (t *activeMemtable) bytesFor(limitBytes int64) int64 {
	if limitBytes < 2*memtable.GrowthBytes {
		return t.writtenBytes
	}
	return t.Bytes()
}

// releaseRun frees a run that no version holds any more. The caller holds the lock.
func (db *DB) releaseRun(r *version.SealedRun) {
	db.report(db.tryRelease(r))
	db.o.Budget.removeSealed(r)
}

// tryRelease frees the memtable of a run, which may be an implementation of the user that
// panics.
func (db *DB) tryRelease(r *version.SealedRun) (err error) {
	defer catch(fmt.Sprintf("memtable %T", r.Table), &err)
	r.Close()
	return nil
}
