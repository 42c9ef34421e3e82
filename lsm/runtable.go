package lsm

import (
	"fmt"

	"github.com/weirstate/weir/internal/run"
	"github.com/weirstate/weir/memtable"
)

// runTable is a memtable with what was written to it.
type runTable struct {
	memtable.Table
	writtenBytes int64
}

// newTable makes a memtable.
func (db *DB) newTable() runTable {
	return runTable{Table: db.o.NewMemtable(memtable.Options{Budget: db.o.Budget.slabs})}
}

// releaseTable gives the memory of a memtable back, which may be one of a caller's.
func releaseTable(t memtable.Table) (err error) {
	defer catch(fmt.Sprintf("memtable %T", t), &err)
	t.Release()
	return nil
}

// apply carries out an operation. The probe is scratch; it has the key then.
func (t *runTable) apply(split *Split, p *run.Probe, kind run.Kind, key, value []byte) {
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

// isFull says whether the memtable has its size.
func (t *runTable) isFull(limitBytes int64) bool {
	return t.bytesFor(limitBytes) >= limitBytes
}

// bytesFor is the size that a limit is for. A small one, as tests have it, is of bytes
// written, since memory comes in larger pieces.
func (t *runTable) bytesFor(limitBytes int64) int64 {
	if limitBytes < 2*memtable.GrowthBytes {
		return t.writtenBytes
	}
	return t.Bytes()
}
