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

// Preset is where state lives and where checkpoints go.
//
// Thread safety: safe for concurrent use; the backends that Open returns belong
// to one goroutine each.
type Preset struct {
	// Open opens an empty backend: one for each subtask of an operator.
	Open func(state.Options) (snapshot.Backend, error)
	// Storage is where checkpoints go.
	Storage *checkpoint.Storage
	// Synchronous asks to write snapshots while the subtask waits: see
	// snapshot.Options.
	Synchronous bool
	// Mode is the format of snapshots to ask for: see snapshot.Options.
	Mode snapshot.Mode

	close func() error // nil if there is nothing to release
}

// Close ends the preset: Open returns state.ErrClosed from then on. A second Close does
// nothing. Storage stays usable.
//
// With LSM, Close releases the memory of the budget and the local copies, and removes the
// directory if the preset has made it. While a backend is open, or an iterator or view of
// one that was closed, Close returns lsm.ErrOpen and changes nothing; close them, then the
// preset again. Memory and Fs hold nothing to release: backends that are open stay usable.
func (p *Preset) Close() error {
	if p.close == nil {
		return nil
	}
	return p.close()
}

// Index says how a heap backend finds a key: see package heapstate.
type Index uint8

// The indexes.
const (
	Hash Index = iota
	BTree
)

// opener is how backends with the index are opened.
func (i Index) opener() (func(state.Options) (snapshot.Backend, error), error) {
	switch i {
	case Hash:
		return func(o state.Options) (snapshot.Backend, error) { return backend(heapstate.NewHash(o)) }, nil
	case BTree:
		return func(o state.Options) (snapshot.Backend, error) { return backend(heapstate.NewBTree(o)) }, nil
	}
	return nil, fmt.Errorf("index %d, must be Hash or BTree: %w", i, state.ErrInvalid)
}

// backend keeps a failed open from returning a Backend that is not nil.
func backend(b *heapstate.Backend, err error) (snapshot.Backend, error) {
	if err != nil {
		return nil, err
	}
	return b, nil
}

// heap returns a preset whose backends have the index. Open fails once it is closed.
func (i Index) heap(name string) (*Preset, error) {
	open, err := i.opener()
	if err != nil {
		return nil, fmt.Errorf("%s preset: %w", name, err)
	}
	var closed atomic.Bool
	return &Preset{
		Open: func(o state.Options) (snapshot.Backend, error) {
			if closed.Load() {
				return nil, errClosed(name)
			}
			return open(o)
		},
		close: func() error { closed.Store(true); return nil },
	}, nil
}

// errClosed is the error of a preset of that name after Close. It is a state.ErrClosed.
type errClosed string

// Error implements error.
func (e errClosed) Error() string { return string(e) + " preset is closed" }

// Is makes it a state.ErrClosed.
func (e errClosed) Is(target error) bool { return target == state.ErrClosed }

// MemoryOptions says how Memory works.
type MemoryOptions struct {
	// Index of the backends. Default Hash.
	Index Index
	// Checkpoints limits what is kept.
	Checkpoints checkpoint.MemoryOptions
	// Synchronous is Preset.Synchronous. Default false.
	Synchronous bool
}

// Memory keeps state on the heap, and checkpoints in the memory of the process:
// for tests, and for jobs with little state that need to outlive their subtasks
// only.
func Memory(o MemoryOptions) (*Preset, error) {
	p, err := o.Index.heap("memory")
	if err != nil {
		return nil, err
	}
	p.Storage, p.Synchronous = checkpoint.NewMemory(o.Checkpoints), o.Synchronous
	return p, nil
}

// FsOptions says how Fs works.
type FsOptions struct {
	// Index of the backends. Default Hash.
	Index Index
	// Checkpoints says how the storage is used.
	Checkpoints checkpoint.StorageOptions
	// Synchronous is Preset.Synchronous. Default false.
	Synchronous bool
}

// Fs keeps state on the heap, and checkpoints as files under a URL, such as
// file:///var/checkpoints, of a scheme that is built in or registered with
// checkpoint.Register: for jobs whose state fits in memory.
func Fs(ctx context.Context, url string, o FsOptions) (*Preset, error) {
	p, err := o.Index.heap("fs")
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
