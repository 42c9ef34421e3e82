package snapshot

import "github.com/weirstate/weir/state/backend"

// Backend is a backend that can be snapshotted and restored.
type Backend interface {
	backend.Backend
	// View returns the backend's content as it is now. It is the synchronous half of a
	// snapshot, and takes a time that depends neither on the size of the state nor on the
	// number of states. Several views may be open.
	View() (View, error)
	// Empty reports whether the backend has neither rows nor timers.
	Empty() bool
	// Load adds a row of a view: a composite key and a stored value. The backend is empty
	// before the first row. The caller passes rows in the order of the view, and only rows of
	// declared states and of key groups that the backend owns. Load returns
	// backend.ErrCorrupt for bytes that cannot be a row.
	Load(key, value []byte) error
}

// View is a backend as it was at one moment. It is immutable.
//
// A view may also implement backend.KeyView: then any number of goroutines may query it by key,
// with the queries of package state.
//
// Thread safety: one goroutine at a time, which need not be the task's. The task may use the
// backend while the view is read.
type View interface {
	// Keyspace returns the keyspace of the backend.
	Keyspace() backend.Keyspace
	// States returns the states that were declared when the view was taken, ordered by id.
	States() []backend.Info
	// Rows calls yield with every row of a key group, strictly ascending by composite key.
	// Both slices are valid until yield returns. If yield returns an error, Rows stops and
	// returns it.
	Rows(group uint16, yield func(key, value []byte) error) error
	// Close frees the resources that the view holds: pinned pages, tables and memory. It
	// is idempotent. Every view must be closed, also if its backend was closed before.
	Close()
}
