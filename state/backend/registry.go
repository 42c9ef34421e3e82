package backend

import (
	"fmt"
	"slices"

	"github.com/weirstate/weir/internal/cow"
	"github.com/weirstate/weir/state/codec"
)

// Options are the options of every backend. The zero value is valid.
type Options struct {
	// Keyspace is the range of key groups that the backend owns. Default: all groups of a
	// maximum parallelism of DefaultMaxParallelism(1), 128.
	Keyspace Keyspace
	// Limits are the maximum sizes of keys and values. Default: 2^31 bytes each.
	Limits Limits
}

// Registry holds the options of a backend and its declared states. It makes the checks that all
// backends have in common.
//
// Thread safety: the task's goroutine only.
type Registry struct {
	keyspace Keyspace
	limits   Limits
	clock    *cow.Clock
	states   map[ID]*declared
	order    []*Info    // the states in the order of declaration; append-only
	list     *StateList // the StateList of order; nil until StateList is called
	key      *codec.ID  // the key codec; nil before the first NewKeyed
	keySize  int        // FixedSize of the key codec
	idle     idleTables
	closed   bool
}

// declared is a declared state and the storage that its handles share.
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
	if err := o.Keyspace.validate(ErrInvalidOption); err != nil {
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

// Keyspace returns the keyspace of the backend.
func (r *Registry) Keyspace() Keyspace { return r.keyspace }

// Limits returns the limits of the backend, with defaults filled in.
func (r *Registry) Limits() Limits { return r.limits }

// States returns the declared states, ordered by ID. The caller must not modify the slice.
func (r *Registry) States() []Info { return r.StateList().States() }

// StateList returns the list of the declared states in constant time. The list sorts itself when
// it is first read.
func (r *Registry) StateList() *StateList {
	if r.list == nil {
		r.list = &StateList{declared: slices.Clip(r.order)}
	}
	return r.list
}

// Info returns the declared state with an ID. It returns false if no state has it.
func (r *Registry) Info(id ID) (info Info, ok bool) {
	if d, ok := r.states[id]; ok {
		return d.info, true
	}
	return info, false
}

// KeySize returns the size in bytes of all encoded keys, or a negative number if sizes vary and
// keys are escaped. It returns false before the first NewKeyed. A byte backend needs the size to
// find the end of the key in a composite key.
func (r *Registry) KeySize() (size int, ok bool) { return r.keySize, r.key != nil }

// SplitRow is SplitHeader for a row that Load gets. It also returns ErrClosed if the backend is
// closed, and ErrKeyGroup if it does not own the group.
func (r *Registry) SplitRow(key []byte) (group uint16, id ID, rest []byte, err error) {
	if r.closed {
		return 0, 0, nil, ErrClosed
	}
	if group, id, rest, err = SplitHeader(key); err != nil {
		return 0, 0, nil, err
	}
	if owned := r.keyspace.Groups; !owned.Contains(group) {
		return 0, 0, nil, fmt.Errorf("a row is in key group %d, the backend owns %v: %w", group, owned, ErrKeyGroup)
	}
	return group, id, rest, nil
}

// Closed reports whether Close was called.
func (r *Registry) Closed() bool { return r.closed }

// Close makes all operations of package state return ErrClosed. The backend's Close calls it.
func (r *Registry) Close() {
	r.closed = true
	clear(r.states) // releases the tables, also if the program still refers to the backend
	r.order, r.list, r.idle = nil, nil, idleTables{}
}

// Check compares the states of a snapshot with the declared states, before a restore reads rows.
// It returns the IDs of the states to load. A state of the snapshot that is not declared is
// ErrUnknownState, or is left out if allowUnclaimed is set. A declared state that is not in the
// snapshot stays empty.
func (r *Registry) Check(infos []Info, maxParallelism int, allowUnclaimed bool) (map[ID]bool, error) {
	if r.closed {
		return nil, ErrClosed
	}
	if maxParallelism != r.keyspace.MaxParallelism {
		return nil, fmt.Errorf("the snapshot has max parallelism %d, the backend %d: %w",
			maxParallelism, r.keyspace.MaxParallelism, ErrMaxParallelism)
	}
	claimed := make(map[ID]bool, len(infos))
	for _, info := range infos {
		d, ok := r.states[info.ID()]
		switch {
		case !ok && !allowUnclaimed:
			return nil, fmt.Errorf("state %q (%v) is in the snapshot but not declared: declare it before the restore, or allow unclaimed state: %w",
				info.Name, info, ErrUnknownState)
		case !ok:
		case d.info.Name != info.Name:
			return nil, fmt.Errorf("state %q of the snapshot has the same id as declared state %q: %w", info.Name, d.info.Name, ErrStateCollision)
		case !d.info.Equal(info):
			return nil, fmt.Errorf("state %q: written as %v, declared as %v: %w", info.Name, info, d.info, ErrIncompatible)
		default:
			claimed[info.ID()] = true
		}
	}
	return claimed, nil
}
