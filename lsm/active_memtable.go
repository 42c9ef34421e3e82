package lsm

import (
	"fmt"

	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/memtable"
	"github.com/weirstate/weir/run"
)

// activeMemtable is a memtable with what was written to it.
type activeMemtable struct {
	memtable.Table
	writtenBytes int64
}

// newTable makes a memtable.
func (db *DB) newTable() activeMemtable {
	return activeMemtable{Table: db.o.NewMemtable(memtable.Options{Budget: db.o.Budget.slabs})}
}

// releaseTable gives the memory of a memtable back, which may be one of a caller's, or nil.
func releaseTable(t memtable.Table) (err error) {
	if t == nil {
		return nil
	}
	defer catch(fmt.Sprintf("memtable %T", t), &err)
	t.Release()
	return nil
}

// apply carries out an operation. The lookup key is scratch; it has the key then.
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

// isFull reports whether the memtable has its size.
func (t *activeMemtable) isFull(limitBytes int64) bool {
	return t.bytesFor(limitBytes) >= limitBytes
}

// bytesFor is the size that a limit is for. A small one, as tests have it, is of bytes
// written, since memory comes in larger pieces.
func (t *activeMemtable) bytesFor(limitBytes int64) int64 {
	if limitBytes < 2*memtable.GrowthBytes {
		return t.writtenBytes
	}
	return t.Bytes()
}

// releaseRun gives the memory of a run back that no version has any more. The lock is held.
func (db *DB) releaseRun(r *version.SealedRun) {
	db.report(db.tryRelease(r))
	db.o.Budget.leave(r)
}

// tryRelease releases a memtable, which may be one of a caller's.
func (db *DB) tryRelease(r *version.SealedRun) (err error) {
	defer catch(fmt.Sprintf("memtable %T", r.Table), &err)
	r.Close()
	return nil
}
