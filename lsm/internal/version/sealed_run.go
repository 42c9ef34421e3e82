package version

import (
	"errors"
	"sync"
	"time"

	"github.com/weirstate/weir/memtable"
	"github.com/weirstate/weir/run"
)

// ErrFlushed is returned to readers of a sealed run whose memtable was freed after a flush.
// They continue in the file that the run was written to.
var ErrFlushed = errors.New("the run was flushed")

// SealedRun is a run that takes no more writes and is not in the tree yet. It is a memtable,
// a file if one write was too large for memory, or a source, whose entries are made by the flush.
// A reader of a version must not pass over a source, unless somebody else holds its entries.
//
// Invariant: exactly one of Table, File and Source is not nil.
type SealedRun struct {
	Number        uint64         // runs are numbered in the order of their seals
	Table         memtable.Table // the memtable
	File          *File          // the file; the run holds a reference
	Source        Source         // the source; package lsm closes it
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

// Source makes the entries of a run when the run is flushed: see Source of package lsm.
type Source interface {
	Entries(add func(*run.Entry) error) error // calls add for each entry, ascending
	Close()                                   // ends the use of the source
}

// NewSealedSource returns a run whose entries come from a source.
func NewSealedSource(number uint64, s Source) *SealedRun {
	return &SealedRun{Number: number, Source: s}
}

// IsAlone reports whether the run never shares a table with other runs: it is a file already, or
// a source.
func (r *SealedRun) IsAlone() bool { return r.File != nil || r.Source != nil }

// MayHold reports whether the run may have the key of p or, if that is a whole prefix, any key of the
// prefix. Like other live reads it passes over a source. The caller holds the lock of the store.
func (r *SealedRun) MayHold(p *run.LookupKey) bool {
	switch {
	case r.Table != nil:
		return r.Table.MayHold(p)
	case r.File != nil:
		return !r.File.Table.Lacks(p)
	}
	return false
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
