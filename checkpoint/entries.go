package checkpoint

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"sync"

	"github.com/cespare/xxhash/v2"

	"github.com/weirstate/weir/internal/parse"
)

// entries is the default completed store. It needs only what an object store offers:
// create-if-absent, list, read, remove.
//
//	<job>/completed/0000000000000000042   entry of checkpoint 42: size and checksum of its metadata
//	<job>/completed/0000000000000000043
//	<job>/attempts/0000000000000000003    empty: attempt 3 has begun
//	<job>/.lock                           lock of the process that works on the job
//
// Commit creates an entry object, so that a checkpoint becomes complete in one step. Begin
// creates the record of a new attempt and removes older records. Commit lists the records
// first, and returns ErrFenced if a higher one exists.
//
// Invariant: an entry is written once and never changed. A second Commit of the same ID returns
// fs.ErrExist.
// Invariant: numbers have 19 digits in names, so that the order of names is the order of
// numbers.
// Invariant: the new record of Begin is durable before older ones are removed, so that the
// highest number is never forgotten.
// Invariant: a read error is never taken for a missing entry. Only an entry that is damaged or
// not a regular file is listed with Entry.Err; every other error fails the List.
//
// If the objects have no lock, the check and the write of Commit are two steps: a commit that
// is in progress when another process begins an attempt may still succeed. The checkpoint is
// then complete and sound, but the new attempt may already have restored an older one.
//
// Cost: a commit takes one list and one create; a List reads each entry, 52 bytes.
//
// The byte format is in docs/format-checkpoint.md.
type entries struct {
	objects Objects // checks the lock before each change, if the objects have one
	layout  layout

	// mu serializes the methods.
	mu     sync.Mutex
	lock   io.Closer // nil if the objects have none
	last   AttemptID // the highest ID that Begin tried to create
	closed bool
}

const (
	completedFolder = "completed"
	attemptsFolder  = "attempts"
	lockName        = "lock"
)

// maxNumber is the highest ID or AttemptID that fits into 19 digits.
const maxNumber = 9999999999999999999

// padded returns n with 19 digits.
func padded[T ~uint64](n T) string { return fmt.Sprintf("%019d", uint64(n)) }

// parsePadded parses a number above zero in the form that padded writes.
func parsePadded[T ~uint64](s string) (T, bool) {
	n, err := strconv.ParseUint(s, 10, 64)
	return T(n), err == nil && n > 0 && padded(n) == s
}

// openEntries locks the completed store of a job and opens it. It returns ErrLocked if another
// process or coordinator holds the lock.
func openEntries(ctx context.Context, objects Objects, job string) (*entries, error) {
	e := &entries{objects: objects, layout: layout{job}}
	if locker, ok := objects.(Locker); ok {
		var err error
		if e.lock, err = locker.Lock(ctx, e.layout.root()+lockName); err != nil {
			return nil, err
		}
		e.objects = guard(objects, e.lock)
	}
	return e, nil
}

// name returns the name of an object in a folder of the job.
func (s *entries) name(folder, number string) string {
	return s.layout.root() + folder + "/" + number
}

// list returns the objects in a folder. It fails if the folder's name belongs to a file or
// link: the entries elsewhere would otherwise count as removed.
func (s *entries) list(ctx context.Context, folder string) ([]ObjectInfo, error) {
	name := s.layout.root() + folder
	listed, err := s.objects.List(ctx, name)
	if err != nil {
		return nil, err
	}
	var objects []ObjectInfo
	for _, o := range listed {
		switch {
		case strings.HasPrefix(o.nameOf(), name+"/"):
			objects = append(objects, o)
		case o.Name == name && !o.isDirectory():
			return nil, fmt.Errorf("%q is not a folder: %w", name, cmp.Or(o.Irregular, ErrCorrupt))
		}
	}
	return objects, nil
}

// begun returns the highest attempt that has a record, finished or not, and the names of the
// records that Begin may remove.
func (s *entries) begun(ctx context.Context) (highest AttemptID, names []string, err error) {
	objects, err := s.list(ctx, attemptsFolder)
	for _, o := range objects {
		number, ok := parsePadded[AttemptID](strings.TrimPrefix(o.nameOf(), s.name(attemptsFolder, "")))
		if !ok {
			continue
		}
		highest = max(highest, number)
		if o.Irregular == nil {
			names = append(names, o.Name)
		}
	}
	return highest, names, err
}

// IsNewJob implements NewJobChecker.
func (s *entries) IsNewJob(ctx context.Context) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false, ErrClosed
	}
	highest, _, err := s.begun(ctx)
	if err != nil || highest > 0 || s.last > 0 {
		return false, err
	}
	objects, err := s.list(ctx, completedFolder)
	return len(objects) == 0, err
}

// Begin implements Completed. A number whose creation failed is not tried again: its record may
// exist all the same.
func (s *entries) Begin(ctx context.Context) (AttemptID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.closed {
		highest, before, err := s.begun(ctx)
		if err != nil {
			return 0, err
		}
		if s.last = max(s.last, highest); s.last == maxNumber {
			return 0, fmt.Errorf("attempt %d has the highest possible number: %w", s.last, ErrCorrupt)
		}
		s.last++
		err = writeObject(ctx, s.objects, s.name(attemptsFolder, padded(s.last)), nil)
		if errors.Is(err, fs.ErrExist) {
			continue // another process has taken the number
		}
		if err != nil {
			return 0, err
		}
		for _, name := range before {
			_ = s.objects.Remove(ctx, name) // a later Begin tries again
		}
		return s.last, nil
	}
	return 0, ErrClosed
}

// Commit implements Completed.
func (s *entries) Commit(ctx context.Context, e Entry) error {
	if err := e.Validate(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	highest, _, err := s.begun(ctx)
	if err != nil {
		return err
	}
	if highest > e.Attempt {
		return fmt.Errorf("attempt %d cannot commit, attempt %d has begun: %w", e.Attempt, highest, ErrFenced)
	}
	return writeObject(ctx, s.objects, s.name(completedFolder, padded(e.ID)), e.Encode())
}

// List implements Completed.
func (s *entries) List(ctx context.Context) ([]Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	objects, err := s.list(ctx, completedFolder)
	if err != nil {
		return nil, err
	}
	var entries []Entry // objects are ordered by name, so these are by ID
	for _, o := range objects {
		id, ok := parsePadded[ID](strings.TrimPrefix(o.Name, s.name(completedFolder, "")))
		if !ok {
			continue
		}
		e, err := s.read(ctx, o, id)
		switch {
		case errors.Is(err, fs.ErrNotExist): // removed since the listing
			continue
		case err != nil && !isUnreadable(err) && !errors.Is(err, ErrVersion):
			return nil, err
		case err != nil:
			e = Entry{ID: id, Err: fmt.Errorf("entry %q: %w", o.Name, err)}
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// read reads the entry of a checkpoint. It limits the size to maxEntryBytes, which leaves room
// for other versions: a longer entry is damaged.
func (s *entries) read(ctx context.Context, o ObjectInfo, id ID) (Entry, error) {
	switch {
	case o.Irregular != nil:
		return Entry{}, o.Irregular
	case o.Size > maxEntryBytes:
		return Entry{}, fmt.Errorf("%d bytes, want at most %d: %w", o.Size, maxEntryBytes, ErrCorrupt)
	}
	data, err := readObject(ctx, s.objects, o.Name, o.Size)
	if err != nil {
		return Entry{}, err
	}
	e, err := DecodeEntry(data)
	if err == nil && e.ID != id {
		err = fmt.Errorf("it names checkpoint %d, want %d: %w", e.ID, id, ErrCorrupt)
	}
	return e, err
}

// Remove implements Completed.
func (s *entries) Remove(ctx context.Context, id ID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	return s.objects.Remove(ctx, s.name(completedFolder, padded(id)))
}

// Close implements Completed.
func (s *entries) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.lock == nil {
		s.closed = true
		return nil
	}
	s.closed = true
	return s.lock.Close()
}

// Format of an entry: see docs/format-checkpoint.md.
const (
	entryMagic    = "WEIRDONE"
	entryVersion  = 1
	entryBytes    = 8 + 2 + 2 + 4*8 + checksumBytes
	maxEntryBytes = 4 << 10 // limit for entries of all versions
	checksumBytes = 8
)

// entryOf returns the entry for a checkpoint with the given encoded metadata.
func entryOf(c *Checkpoint, metadata []byte) Entry {
	return Entry{ID: c.ID, Attempt: c.Attempt, Size: int64(len(metadata)), Checksum: xxhash.Sum64(metadata)}
}

// Validate returns ErrInvalid if a field of the entry is out of range: the ID and the attempt must
// be 1 or higher with at most 19 digits, and the size from 0 to 1 GiB.
func (e Entry) Validate() error {
	if e.ID < 1 || e.ID > maxNumber || e.Attempt < 1 || e.Attempt > maxNumber || e.Size < 0 || e.Size > maxMetadataBytes {
		return fmt.Errorf("checkpoint %d, attempt %d, metadata of %d bytes: out of range: %w", e.ID, e.Attempt, e.Size, ErrInvalid)
	}
	return nil
}

// Encode returns the entry in the form of 52 bytes in which completed stores keep it: see
// docs/format-checkpoint.md. The entry must be valid.
func (e Entry) Encode() []byte {
	b := append(make([]byte, 0, entryBytes), entryMagic...)
	b = binary.BigEndian.AppendUint16(b, entryVersion)
	b = append(b, 0, 0)
	b = binary.BigEndian.AppendUint64(b, uint64(e.ID))
	b = binary.BigEndian.AppendUint64(b, uint64(e.Attempt))
	b = binary.BigEndian.AppendUint64(b, uint64(e.Size))
	b = binary.BigEndian.AppendUint64(b, e.Checksum)
	return binary.BigEndian.AppendUint64(b, xxhash.Sum64(b))
}

// DecodeEntry decodes an entry that Encode has encoded. It returns ErrCorrupt if the data is
// damaged, and ErrVersion if a newer program has encoded it.
func DecodeEntry(b []byte) (Entry, error) {
	rest, _, err := openEnvelope(b, entryMagic, entryVersion)
	if err != nil {
		return Entry{}, err
	}
	p := parse.Parser{Rest: rest, Corrupt: ErrCorrupt}
	e := Entry{ID: ID(p.Uint64()), Attempt: AttemptID(p.Uint64()), Size: int64(p.Uint64()), Checksum: p.Uint64()}
	if err := p.End(); err != nil {
		return Entry{}, err
	}
	if err := e.Validate(); err != nil {
		return Entry{}, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return e, nil
}
