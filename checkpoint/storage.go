package checkpoint

import (
	"cmp"
	"context"
	"fmt"
)

// Storage holds the checkpoints of any number of jobs, one after the other or at the same time.
// It has no Close: it may be used as long as the process runs.
//
// Thread safety: safe for concurrent use.
type Storage struct {
	objects Objects
	// inlineBytes is the size up to which a file travels in the acknowledgement and is stored
	// in the metadata.
	inlineBytes int64
	// packBytes is the size up to which a file that does not travel in the acknowledgement is
	// appended to a pack; 0 if there are no packs. A pack that would exceed packCutBytes is
	// committed, and another one begins.
	packBytes    int64
	packCutBytes int64
	fewRequests  bool            // the objects are a Packer: requests are expensive
	completed    CompletedOpener // nil: entries are objects
	memory       *memoryBudget   // nil unless checkpoints are kept in memory
	frameBytes   int64           // maximum size of an acknowledgement in memory
}

// StorageOptions configures a Storage on Objects.
type StorageOptions struct {
	// InlineBytes is the size up to which a file of a subtask is stored in the metadata instead
	// of as an object. Default 20 KiB, at most 1 MiB; a negative value stores every file as an
	// object.
	InlineBytes int64
	// PackBytes is the size up to which a file of a subtask is small: small files of a checkpoint
	// are written into one object, a pack, so that a checkpoint costs few requests. Each is held
	// in memory while it is written. Default: the size that the objects propose as a Packer, and
	// no packs if they do not. At most 16 MiB; a negative value disables packs. Files in packs
	// cannot be linked by a restore on the same machine.
	PackBytes int64
	// Completed opens the completed store of each job: see OpenCompleted for stores with a URL.
	// If it implements LockChecker, the coordinator guards the job's objects with it. Default:
	// entries stored as objects next to the state.
	Completed CompletedOpener
}

// check returns ErrInvalidOption for an option out of range.
func (o StorageOptions) check() error {
	if o.InlineBytes > maxInlineBytes {
		return fmt.Errorf("storage: InlineBytes is %d, want at most %d: %w", o.InlineBytes, maxInlineBytes, ErrInvalidOption)
	}
	if o.PackBytes > maxPackBytes {
		return fmt.Errorf("storage: PackBytes is %d, want at most %d: %w", o.PackBytes, maxPackBytes, ErrInvalidOption)
	}
	return nil
}

const (
	defaultInlineBytes = 20 << 10
	maxInlineBytes     = 1 << 20
	maxPackBytes       = 16 << 20
	packCutBytes       = 64 << 20
)

// MemoryOptions sets the limits of checkpoints in memory. Zero or less selects the default.
type MemoryOptions struct {
	// MaxStateBytes is the maximum size of one file of one subtask. Default 5 MiB; at most
	// FrameBytes.
	MaxStateBytes int64
	// FrameBytes is the maximum size of an acknowledgement in encoded form, with its name
	// table. Default 10 MiB.
	FrameBytes int64
	// TotalBytes is the maximum size of all retained and pending checkpoints together. Default
	// 256 MiB.
	TotalBytes int64
}

const (
	defaultMaxStateBytes = 5 << 20
	defaultFrameBytes    = 10 << 20
	defaultTotalBytes    = 256 << 20
)

// NewStorage returns a Storage on a store of objects. The objects of a job have names that
// begin with the job's name and a slash.
func NewStorage(objects Objects, o StorageOptions) (*Storage, error) {
	if objects == nil {
		return nil, fmt.Errorf("storage: objects are nil: %w", ErrInvalidOption)
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	s := &Storage{objects: objects, inlineBytes: cmp.Or(o.InlineBytes, defaultInlineBytes), completed: o.Completed,
		packBytes: o.PackBytes, packCutBytes: packCutBytes}
	packer, ok := objects.(Packer)
	if s.fewRequests = ok; ok && s.packBytes == 0 {
		s.packBytes = min(packer.PackBytes(), maxPackBytes)
	}
	s.packBytes = max(s.packBytes, 0)
	return s, nil
}

// open returns the objects of a job.
func (s *Storage) open(job string) (Objects, error) {
	if f, ok := s.objects.(folderOpener); ok {
		return f.folder(job)
	}
	return s.objects, nil
}

// OpenStorage returns a Storage on the objects that OpenObjects opens for the URL.
func OpenStorage(ctx context.Context, url string, o StorageOptions) (*Storage, error) {
	if err := o.check(); err != nil { // before OpenObjects makes a directory
		return nil, err
	}
	objects, err := OpenObjects(ctx, url)
	if err != nil {
		return nil, err
	}
	return NewStorage(objects, o)
}

// NewMemory returns a Storage that keeps checkpoints and the completed store in memory, for as
// long as the Storage is used. Later coordinators of the job find them.
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

// checkPart returns the encoded size of an acknowledgement in bytes, or an error if the storage
// cannot hold it.
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
		return 0, fmt.Errorf("acknowledgement of %d bytes, want at most %d: %w", size, s.frameBytes, ErrFrameTooLarge)
	}
	return size, nil
}

// take takes bytes from the memory budget. It does nothing for a storage on objects.
func (s *Storage) take(bytes int64) error {
	if s.memory == nil {
		return nil
	}
	return s.memory.take(bytes)
}

// release returns bytes that take has taken.
func (s *Storage) release(bytes int64) {
	if s.memory != nil {
		s.memory.release(bytes)
	}
}
