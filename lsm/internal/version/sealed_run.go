package version

import (
	"errors"
	"sync"
	"time"

	"github.com/weirstate/weir/memtable"
)

// ErrFlushed is returned by readers of a sealed run whose memory was given back. They go
// on in the file that it was written to.
var ErrFlushed = errors.New("the run was flushed")

// SealedRun is a run that the tree does not have yet: in memory, or, if a write
// was too large for that, in a file of its own.
type SealedRun struct {
	Number        uint64
	Table         memtable.Table // nil if there is a file
	File          *File          // of which it is one of the references
	Bytes         int64          // of the memtable when it was sealed, to be compared with MemtableBytes
	BudgetedBytes int64          // of Budget.sealedBytes; 0 once it is in the tree
	Sealed        time.Time      // when it was, from which on it waits for others
	refs          int            // of versions; the lock of the store

	// memory is held, for reading, by a scan for as long as it copies from the memtable.
	// It is taken after the lock of the store, or without it.
	memory sync.RWMutex
	gone   bool // the memtable was released
}

// NewSealedFile returns a run that is a file, which it refers to.
func NewSealedFile(number uint64, f *File) *SealedRun {
	f.refs++
	return &SealedRun{Number: number, File: f}
}

// Release gives the memory of the run back. Scans that still walk it find it gone.
func (r *SealedRun) Close() {
	r.memory.Lock()
	defer r.memory.Unlock()
	r.gone = true
	r.Table.Release()
}

// WhileInMemory calls do, which reads the memtable, unless that is gone.
func (r *SealedRun) WhileInMemory(do func()) error {
	r.memory.RLock()
	defer r.memory.RUnlock()
	if r.gone {
		return ErrFlushed
	}
	do()
	return nil
}
