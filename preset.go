package weir

import (
	"context"
	"fmt"

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

// Close releases what the preset holds for its backends: with LSM the memory of the
// budget, the local copies, and the directory if the preset has made it. While a
// backend is open, or an iterator or view of one that was closed, Close returns
// lsm.ErrOpen and releases nothing; close them, then the preset again. After Close,
// Open returns state.ErrClosed; a second Close does nothing. Storage stays usable.
//
// Memory and Fs hold nothing, and their Close does nothing.
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
	open, err := o.Index.opener()
	if err != nil {
		return nil, fmt.Errorf("memory preset: %w", err)
	}
	return &Preset{Open: open, Storage: checkpoint.NewMemory(o.Checkpoints), Synchronous: o.Synchronous}, nil
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
	open, err := o.Index.opener()
	if err != nil {
		return nil, fmt.Errorf("fs preset: %w", err)
	}
	storage, err := checkpoint.OpenStorage(ctx, url, o.Checkpoints)
	if err != nil {
		return nil, fmt.Errorf("fs preset: %w", err)
	}
	return &Preset{Open: open, Storage: storage, Synchronous: o.Synchronous}, nil
}
