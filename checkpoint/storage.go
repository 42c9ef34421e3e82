package checkpoint

import (
	"cmp"
	"context"
	"fmt"
)

// Storage says where the checkpoints of jobs go. It serves any number of jobs,
// one after the other or at once, and outlives them.
//
// Thread safety: safe for concurrent use.
type Storage struct {
	objects Objects
	// inlineBytes is up to which size a file travels in the acknowledgement
	// and stands in the metadata.
	inlineBytes int64
	memory      *memoryBudget // nil unless all is kept in memory
	frameBytes  int64         // limits an acknowledgement in memory
}

// StorageOptions says how a store of objects is used.
type StorageOptions struct {
	// InlineBytes is the size up to which the file of a subtask is not written
	// as an object but stands in the metadata. Default 20 KiB, at most 1 MiB;
	// below zero is none.
	InlineBytes int64
}

// check returns ErrInvalidOption for an option out of range.
func (o StorageOptions) check() error {
	if o.InlineBytes > maxInlineBytes {
		return fmt.Errorf("storage: InlineBytes is %d, at most %d is allowed: %w", o.InlineBytes, maxInlineBytes, ErrInvalidOption)
	}
	return nil
}

const (
	defaultInlineBytes = 20 << 10
	maxInlineBytes     = 1 << 20
)

// MemoryOptions are the limits of checkpoints that are kept in memory. What is
// not above zero is the default.
type MemoryOptions struct {
	// MaxStateBytes limits one file of one subtask. Default 5 MiB; more than
	// FrameBytes is capped to it.
	MaxStateBytes int64
	// FrameBytes limits a whole acknowledgement, as metadata encodes it, with its
	// name table. Default 10 MiB.
	FrameBytes int64
	// TotalBytes limits what retained and pending checkpoints come to.
	// Default 256 MiB.
	TotalBytes int64
}

const (
	defaultMaxStateBytes = 5 << 20
	defaultFrameBytes    = 10 << 20
	defaultTotalBytes    = 256 << 20
)

// NewStorage keeps checkpoints in a store of objects, those of a job under its
// name and a slash.
func NewStorage(objects Objects, o StorageOptions) (*Storage, error) {
	if objects == nil {
		return nil, fmt.Errorf("storage: objects are required: %w", ErrInvalidOption)
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	return &Storage{objects: objects, inlineBytes: cmp.Or(o.InlineBytes, defaultInlineBytes)}, nil
}

// open opens the objects of a job.
func (s *Storage) open(job string) (Objects, error) {
	if f, ok := s.objects.(folderer); ok {
		return f.folder(job)
	}
	return s.objects, nil
}

// OpenStorage is NewStorage of the objects that OpenObjects opens.
func OpenStorage(ctx context.Context, url string, o StorageOptions) (*Storage, error) {
	if err := o.check(); err != nil { // before anything is made
		return nil, err
	}
	objects, err := OpenObjects(ctx, url)
	if err != nil {
		return nil, err
	}
	return NewStorage(objects, o)
}

// NewMemory keeps checkpoints in memory, the completed store included: they are
// there for as long as the Storage is, and for later coordinators of the job.
func NewMemory(o MemoryOptions) *Storage {
	orDefault := func(limit, byDefault int64) int64 { return cmp.Or(max(limit, 0), byDefault) }
	frameBytes := orDefault(o.FrameBytes, defaultFrameBytes)
	budget := &memoryBudget{limitBytes: orDefault(o.TotalBytes, defaultTotalBytes)}
	return &Storage{
		objects:     newMemoryObjects(budget),
		inlineBytes: min(orDefault(o.MaxStateBytes, defaultMaxStateBytes), frameBytes),
		memory:      budget,
		frameBytes:  frameBytes,
	}
}

// checkPart returns the size of an acknowledgement as metadata encodes it, or
// why it cannot be taken.
func (s *Storage) checkPart(p Part) (int64, error) {
	err := p.validate()
	if err == nil && p.Handle != nil {
		err = validateStates(p.Handle.States)
	}
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	size := partSize(p)
	if s.memory != nil && size > s.frameBytes {
		return 0, fmt.Errorf("%d bytes, limit %d: %w", size, s.frameBytes, ErrFrameTooLarge)
	}
	return size, nil
}

// take takes bytes from the budget of a storage in memory; release gives them
// back.
func (s *Storage) take(bytes int64) error {
	if s.memory == nil {
		return nil
	}
	return s.memory.take(bytes)
}

func (s *Storage) release(bytes int64) {
	if s.memory != nil {
		s.memory.release(bytes)
	}
}
