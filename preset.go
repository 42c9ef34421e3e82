package weir

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/heapstate"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
)

// Preset joins two independent choices: the backend that holds live state, and the storage
// that keeps checkpoints.
//
// A job processes elements in parallel subtasks. Each subtask owns a range of key groups
// and opens one backend for it. A checkpoint writes a snapshot of every backend to the
// storage, and a restart reads the snapshots back into new, empty backends:
//
//	             Preset.Open                        Preset.Storage
//	subtask 0 ──▶ backend ──┐  snapshot (checkpoint)
//	subtask 1 ──▶ backend ──┼───────────────────────▶ objects of all
//	subtask 2 ──▶ backend ──┘◀─────────────────────── checkpoints
//	                           restore (restart)
//
//	preset   live state             checkpoints                 limited by
//	Memory   heap of the process    heap of the process         memory; lost at exit
//	Fs       heap of the process    files or objects at a URL   memory
//	LSM      trees on local disk    files or objects at a URL   disk
//
// The backends hold no durable data. After a crash only the checkpoints in the storage
// count, so a job may restart on another machine, with another number of subtasks, or with
// another preset on the same storage (snapshots in [snapshot.Portable] mode load into any
// backend).
//
// Invariant: Open returns an empty backend on every call, also after a crash.
//
// Invariant: closing backends or the preset never removes a checkpoint.
//
// A Preset that a program fills in itself needs Open and Storage; its Close does nothing.
//
// Thread safety: safe for concurrent use. Each backend that Open returns belongs to one
// goroutine.
type Preset struct {
	// Open opens an empty backend. Call it once per subtask of an operator.
	Open func(state.Options) (snapshot.Backend, error)
	// Storage keeps the checkpoints.
	Storage *checkpoint.Storage
	// Synchronous is the value to use for snapshot.Options.Synchronous: if true, the
	// subtask waits until its snapshot is written.
	Synchronous bool
	// Mode is the value to use for snapshot.Options.Mode, the format of snapshots.
	Mode snapshot.Mode

	close func() error // nil if there is nothing to release
}

// Close ends the preset: afterwards Open returns state.ErrClosed. A second Close does
// nothing. Storage stays usable.
//
// With LSM, Close releases the memory budget and the local copies, and removes the local
// directory if the preset created it. Close returns lsm.ErrOpen and changes nothing while a
// backend is open, or while an iterator or a view of a closed backend is. Close those first,
// then call Close again. With Memory and Fs there is nothing to release, and backends that
// are open stay usable.
func (p *Preset) Close() error {
	if p.close == nil {
		return nil
	}
	return p.close()
}

// Index selects the index of a heap backend; package heapstate compares the two.
type Index uint8

// The indexes of heap backends.
const (
	Hash  Index = iota // a hash table
	BTree              // a B-tree
)

// opener returns the function that opens backends with index i.
func (i Index) opener() (func(state.Options) (snapshot.Backend, error), error) {
	switch i {
	case Hash:
		return func(o state.Options) (snapshot.Backend, error) { return toBackend(heapstate.NewHash(o)) }, nil
	case BTree:
		return func(o state.Options) (snapshot.Backend, error) { return toBackend(heapstate.NewBTree(o)) }, nil
	}
	return nil, fmt.Errorf("unknown index %d: want Hash or BTree: %w", i, ErrInvalidOption)
}

// toBackend converts b to the interface. After an error it returns an interface that is
// nil, and not one that holds a nil pointer.
func toBackend(b *heapstate.Backend, err error) (snapshot.Backend, error) {
	if err != nil {
		return nil, err
	}
	return b, nil
}

// heapPreset returns a preset without storage whose backends have index i. The name of the
// preset begins its errors.
func (i Index) heapPreset(name string) (*Preset, error) {
	open, err := i.opener()
	if err != nil {
		return nil, fmt.Errorf("%s preset: %w", name, err)
	}
	var closed atomic.Bool
	return &Preset{
		Open: func(o state.Options) (snapshot.Backend, error) {
			if closed.Load() {
				return nil, closedError(name)
			}
			return open(o)
		},
		close: func() error { closed.Store(true); return nil },
	}, nil
}

// closedError is the error of Preset.Open after Close; its value is the name of the preset.
type closedError string

// Error implements error.
func (e closedError) Error() string { return string(e) + " preset is closed" }

// Is reports whether target is state.ErrClosed.
func (e closedError) Is(target error) bool { return target == state.ErrClosed }

// MemoryOptions configures Memory. The zero value works.
type MemoryOptions struct {
	// Index is the index of the backends. Default Hash.
	Index Index
	// Checkpoints limits the memory of checkpoints.
	Checkpoints checkpoint.MemoryOptions
	// Synchronous becomes Preset.Synchronous. Default false.
	Synchronous bool
}

// Memory returns a preset that keeps both state and checkpoints in the memory of the
// process. It is for tests, and for jobs with little state that must survive the failure of
// a subtask but not the end of the process.
func Memory(o MemoryOptions) (*Preset, error) {
	p, err := o.Index.heapPreset("memory")
	if err != nil {
		return nil, err
	}
	p.Storage, p.Synchronous = checkpoint.NewMemory(o.Checkpoints), o.Synchronous
	return p, nil
}

// FsOptions configures Fs. The zero value works.
type FsOptions struct {
	// Index is the index of the backends. Default Hash.
	Index Index
	// Checkpoints configures the storage.
	Checkpoints checkpoint.StorageOptions
	// Synchronous becomes Preset.Synchronous. Default false.
	Synchronous bool
}

// Fs returns a preset that keeps state on the heap and checkpoints at url, such as
// file:///var/checkpoints. The scheme of url is file or one registered with
// checkpoint.Register. Fs is for jobs whose state fits in memory.
func Fs(ctx context.Context, url string, o FsOptions) (*Preset, error) {
	p, err := o.Index.heapPreset("fs")
	if err != nil {
		return nil, err
	}
	storage, err := checkpoint.OpenStorage(ctx, url, o.Checkpoints)
	if err != nil {
		return nil, fmt.Errorf("fs preset: %w", err)
	}
	p.Storage, p.Synchronous = storage, o.Synchronous
	return p, nil
}
