package version

import (
	"errors"
	"sync"
	"time"

	"github.com/weirstate/weir/memtable"
)

// ErrFlushed is returned to readers of a sealed run whose memtable was freed after a flush.
// They continue in the file that the run was written to.
var ErrFlushed = errors.New("the run was flushed")

// SealedRun is a run that takes no more writes and is not in the tree yet. It is a memtable,
// or a file if one write was too large for memory.
type SealedRun struct {
	Number        uint64         // runs are numbered in the order of their seals
	Table         memtable.Table // nil if the run is a file
	File          *File          // nil if the run is a memtable; the run holds a reference
	Bytes         int64          // size of the memtable when it was sealed; comparable with Options.MemtableBytes
	BudgetedBytes int64          // share of the run in Budget.sealedBytes; 0 once it is in the tree
	Sealed        time.Time      // time of the seal; the run waits from then on to be flushed together with others
	refs          int            // versions that have the run; guarded by the lock of the store

	// memory is read-locked while a scan copies entries from the memtable. Lock order: the
	// lock of the store first, or not at all.
	memory sync.RWMutex
	freed  bool // the memtable was freed; guarded by memory
}

// NewSealedFile returns a run that is a file, and takes a reference to the file.
func NewSealedFile(number uint64, f *File) *SealedRun {
	f.refs++
	return &SealedRun{Number: number, File: f}
}

// Close frees the memtable. Scans that still walk the run get ErrFlushed from then on.
func (r *SealedRun) Close() {
	r.memory.Lock()
	defer r.memory.Unlock()
	r.freed = true
	r.Table.Close()
}

// WhileInMemory calls do, which may read the memtable, or returns ErrFlushed if the memtable
// was freed.
func (r *SealedRun) WhileInMemory(do func()) error {
	r.memory.RLock()
	defer r.memory.RUnlock()
	if r.freed {
		return ErrFlushed
	}
	do()
	return nil
}
