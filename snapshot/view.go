package snapshot

import "github.com/weirstate/weir/state/backend"

// Backend is a backend that can be snapshotted and restored.
type Backend interface {
	backend.Backend
	// View is the synchronous half of a snapshot: what the backend holds now,
	// in time that depends neither on how much it is nor on the number of
	// states. Several may be open.
	View() (View, error)
	// Empty says whether the backend holds nothing.
	Empty() bool
	// Load adds a row of a view: a composite key and a stored value. Rows come
	// in the order of the view, of declared states and owned groups only, into
	// a backend that was empty. Bytes that cannot be a row are
	// backend.ErrCorrupt.
	Load(key, value []byte) error
}

// View is a backend as it was at one moment. It is immutable.
//
// A view may be a backend.KeyView too: then any number of goroutines may query it by key,
// with the queries of package state.
//
// Thread safety: one reader at a time, in any goroutine, while the backend
// goes on.
type View interface {
	// Keyspace is the backend's.
	Keyspace() backend.Keyspace
	// States are the states declared at the time, ordered by id.
	States() []backend.Info
	// Rows calls yield with every row of a key group, strictly ascending by
	// composite key. Both slices are good until yield returns. An error of
	// yield ends the walk and is returned.
	Rows(group uint16, yield func(key, value []byte) error) error
	// Close frees the resources that the view holds: pinned pages, tables and memory. It
	// is idempotent. Every view must be closed, also if its backend was closed before.
	Close()
}
