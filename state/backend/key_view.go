package backend

import (
	"sync"
	"sync/atomic"
)

// KeyView is a view that can be read by key, so that a service can query state while the
// job goes on. It is optional: a snapshot.View of a backend may implement it, and the
// queries of package state need it. Keyspace and States are those of snapshot.View.
//
// Thread safety: any number of goroutines, beside the one reader of Rows, while the backend
// goes on and after it is closed. A read that has begun when the view is closed ends as if
// it were open; every later one is ErrClosed.
type KeyView interface {
	// Keyspace returns that of the backend.
	Keyspace() Keyspace
	// States returns the states declared at the time, ordered by id.
	States() []Info
	// Get adds to dst the stored value under a composite key. Without one it returns
	// dst as it was and false. It is ErrKeyGroup for a key group that the backend does not
	// own, and ErrUnknownState for a state that the view does not have.
	Get(key, dst []byte) (value []byte, ok bool, err error)
	// ScanPrefix calls yield with the rows that begin with a composite key without suffix,
	// from the key from on, which begins with it too, in order. Both slices are good until
	// yield returns. An error of yield ends the scan and is returned. Other errors are
	// those of Get.
	ScanPrefix(prefix, from []byte, yield func(key, value []byte) error) error
}

// Readers counts those who read a view, so that closing it waits for none of them and takes
// nothing away from them: the last one to leave releases what the view holds. The zero
// value is open.
//
// Thread safety: safe for concurrent use.
type Readers struct {
	inside  atomic.Int64 // readers, and closedReaders after Close
	closing sync.Once
	end     sync.Once
	release func() // set before closedReaders is
}

// closedReaders is more than the number of readers ever is.
const closedReaders = 1 << 62

// Enter begins a read, which Leave ends. After Close it is ErrClosed, and there is nothing
// to leave.
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

// Close refuses further readers. It calls release once no reader is left: now, or from the
// Leave of the last one. A second Close does nothing.
func (r *Readers) Close(release func()) {
	r.closing.Do(func() {
		r.release = release
		if r.inside.Add(closedReaders) == closedReaders {
			r.end.Do(release)
		}
	})
}
