package backend

import (
	"fmt"
	"slices"

	"github.com/weirstate/weir/internal/cow"
	"github.com/weirstate/weir/state/codec"
)

// Options are what every backend is opened with.
type Options struct {
	// Keyspace is the range of key groups that the instance owns. Default: all
	// groups of a maximum parallelism of DefaultMaxParallelism(1).
	Keyspace Keyspace
	// Limits bounds keys and values. Default: 2^31 bytes each.
	Limits Limits
}

// Registry is what a backend was opened with and what was declared on it. It
// makes the checks that are the same for every backend.
//
// Thread safety: the task's goroutine only.
type Registry struct {
	keyspace Keyspace
	limits   Limits
	clock    *cow.Clock
	states   map[ID]*declared
	order    []*Info    // of the states, as they were declared; it only grows
	list     *StateList // of order, nil until it is asked for
	key      *codec.ID  // of the Keyed, once there is one
	keySize  int        // of that codec
	idle     idleTables
	closed   bool
}

// declared is one state: its info and the storage that its handles share.
type declared struct {
	info    Info
	storage any
}

// NewRegistry returns a registry without states. It returns ErrInvalidOption if an option is
// out of range.
func NewRegistry(o Options) (*Registry, error) {
	if o.Keyspace == (Keyspace{}) {
		o.Keyspace = WholeKeyspace(DefaultMaxParallelism(1))
	}
	if err := o.Keyspace.Validate(); err != nil {
		return nil, err
	}
	limits, err := o.Limits.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Registry{
		keyspace: o.Keyspace,
		limits:   limits,
		clock:    cow.NewClock(),
		states:   make(map[ID]*declared),
	}, nil
}

// Keyspace is the range of key groups that the backend owns.
func (r *Registry) Keyspace() Keyspace { return r.keyspace }

// Limits are the limits in force.
func (r *Registry) Limits() Limits { return r.limits }

// States returns the declared states, ordered by id. They must not be modified.
func (r *Registry) States() []Info { return r.StateList().States() }

// StateList returns the declared states in constant time, to be sorted later by whoever
// asks for them.
func (r *Registry) StateList() *StateList {
	if r.list == nil {
		r.list = &StateList{declared: slices.Clip(r.order)}
	}
	return r.list
}

// Info returns the declared state with an id.
func (r *Registry) Info(id ID) (info Info, ok bool) {
	if d, ok := r.states[id]; ok {
		return d.info, true
	}
	return info, false
}

// KeySize is the size in bytes of every encoded key, negative if they vary and are
// escaped; ok is false as long as there is no Keyed. A backend of bytes needs it to
// tell where in a composite key the prefix ends.
func (r *Registry) KeySize() (size int, ok bool) { return r.keySize, r.key != nil }

// SplitRow is SplitHeader for the row of a snapshot that a backend loads. It is
// ErrClosed if the backend is closed, and ErrKeyGroup if it does not own the group.
func (r *Registry) SplitRow(key []byte) (group uint16, id ID, rest []byte, err error) {
	if r.closed {
		return 0, 0, nil, ErrClosed
	}
	if group, id, rest, err = SplitHeader(key); err != nil {
		return 0, 0, nil, err
	}
	if owned := r.keyspace.Groups; !owned.Contains(group) {
		return 0, 0, nil, fmt.Errorf("row of key group %d, backend owns %v: %w", group, owned, ErrKeyGroup)
	}
	return group, id, rest, nil
}

// Closed says whether Close was called.
func (r *Registry) Closed() bool { return r.closed }

// Close makes every operation return ErrClosed from now on. It is called by
// the backend's Close.
func (r *Registry) Close() {
	r.closed = true
	clear(r.states) // and with them the tables, whoever still holds the backend
	r.order, r.list, r.idle = nil, nil, idleTables{}
}

// Check compares what a snapshot holds with what is declared, before a record
// is read. It returns the ids to load. AllowUnclaimed lets states that nobody
// declared go.
func (r *Registry) Check(infos []Info, maxParallelism int, allowUnclaimed bool) (map[ID]bool, error) {
	if r.closed {
		return nil, ErrClosed
	}
	if maxParallelism != r.keyspace.MaxParallelism {
		return nil, fmt.Errorf("snapshot of max parallelism %d, backend of %d: %w",
			maxParallelism, r.keyspace.MaxParallelism, ErrMaxParallelism)
	}
	claimed := make(map[ID]bool, len(infos))
	for _, info := range infos {
		d, ok := r.states[info.ID()]
		switch {
		case !ok && !allowUnclaimed:
			return nil, fmt.Errorf("state %q (%v): declare it before the restore, or allow unclaimed state: %w",
				info.Name, info, ErrUnknownState)
		case !ok:
		case d.info.Name != info.Name:
			return nil, fmt.Errorf("state %q of the snapshot has the id of %q: %w", info.Name, d.info.Name, ErrStateCollision)
		case !d.info.Equal(info):
			return nil, fmt.Errorf("state %q: written as %v, declared as %v: %w", info.Name, info, d.info, ErrIncompatible)
		default:
			claimed[info.ID()] = true
		}
	}
	return claimed, nil
}
