package backend

import (
	"sync"
	"sync/atomic"
)

// KeyView is a view of a backend that can be read by key, so that a service can query state
// while the job runs. A snapshot.View may implement it; the queries of package state need it.
//
// Thread safety: safe for concurrent use, also while another goroutine calls Rows of the view,
// the task writes to the backend, or the backend is closed. After the view was closed, reads
// return ErrClosed; a read that has begun before completes.
type KeyView interface {
	// Keyspace returns the keyspace of the backend.
	Keyspace() Keyspace
	// States returns the states that were declared at the moment of the view, ordered by ID.
	States() []Info
	// Get appends to dst the stored value of a composite key. If the view does not have the
	// key, Get returns dst unchanged and false. It returns ErrKeyGroup for a key group that
	// the backend does not own, and ErrUnknownState for a state that the view does not have.
	Get(key, dst []byte) (value []byte, ok bool, err error)
	// ScanPrefix calls yield, in ascending order, with the rows whose keys start with prefix
	// and are at or above from. Prefix is a composite key without suffix, and from starts
	// with it. Both slices are valid until yield returns. ScanPrefix returns the error of
	// yield, which ends the scan, or the errors of Get.
	ScanPrefix(prefix, from []byte, yield func(key, value []byte) error) error
}

// Readers counts the reads that are in progress on a view. Close does not wait for them: the
// last read to end releases the data of the view. The zero value is open.
//
// Thread safety: safe for concurrent use.
type Readers struct {
	inside  atomic.Int64 // reads in progress, plus closedReaders after Close
	closing sync.Once
	end     sync.Once
	release func() // set before closedReaders is added
}

// closedReaders is larger than any number of reads in progress.
const closedReaders = 1 << 62

// Enter begins a read. The reader must call Leave at its end. After Close, Enter returns ErrClosed
// and the reader must not call Leave.
func (r *Readers) Enter() error {
	if r.inside.Add(1) < closedReaders {
		return nil
	}
	r.Leave()
	return ErrClosed
}

// Leave ends a read.
func (r *Readers) Leave() {
	if r.inside.Add(-1) == closedReaders {
		r.end.Do(r.release)
	}
}

// Close refuses further reads. Release is called once no read is in progress: by Close, or by the
// last Leave. A second Close does nothing.
func (r *Readers) Close(release func()) {
	r.closing.Do(func() {
		r.release = release
		if r.inside.Add(closedReaders) == closedReaders {
			r.end.Do(release)
		}
	})
}
