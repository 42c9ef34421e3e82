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

// entries are the completed store on objects: one small object for each complete
// checkpoint, one empty one for the newest attempt. See docs/format-checkpoint.md.
type entries struct {
	objects Objects // guarded by the lock
	layout  layout

	// mu makes what the methods do one step for each other.
	mu     sync.Mutex
	lock   io.Closer // nil if the objects have none
	last   AttemptID // the highest number tried for an attempt
	closed bool
}

const (
	completedFolder = "completed"
	attemptsFolder  = "attempts"
	lockName        = "lock"
)

// maxNumber is the highest ID or AttemptID that a name has room for.
const maxNumber = 9999999999999999999

func padded[T ~uint64](n T) string { return fmt.Sprintf("%019d", uint64(n)) }

// parsePadded reads a number above zero as padded writes it.
func parsePadded[T ~uint64](s string) (T, bool) {
	n, err := strconv.ParseUint(s, 10, 64)
	return T(n), err == nil && n > 0 && padded(n) == s
}

// openEntries opens the completed store of a job. It is ErrLocked if somebody
// else has.
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

func (s *entries) name(folder, number string) string {
	return s.layout.root() + folder + "/" + number
}

// list lists the objects of a folder. It sees that the folder is one: what is in it
// would otherwise be taken for nothing.
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
			return nil, fmt.Errorf("%q is no folder: %w", name, cmp.Or(o.Irregular, ErrCorrupt))
		}
	}
	return objects, nil
}

// begun lists the attempts of which there is a trace, ascending, and the objects
// that are it.
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

// Begin implements Completed. Numbers that were tried and failed are passed over:
// they may yet turn out to be there.
func (s *entries) Begin(ctx context.Context) (AttemptID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.closed {
		highest, before, err := s.begun(ctx)
		if err != nil {
			return 0, err
		}
		if s.last = max(s.last, highest); s.last == maxNumber {
			return 0, fmt.Errorf("attempt %d is the last that has a number: %w", s.last, ErrCorrupt)
		}
		s.last++
		err = writeObject(ctx, s.objects, s.name(attemptsFolder, padded(s.last)), nil)
		if errors.Is(err, fs.ErrExist) {
			continue // another process was faster
		}
		if err != nil {
			return 0, err
		}
		for _, name := range before {
			_ = s.objects.Remove(ctx, name) // or the next time
		}
		return s.last, nil
	}
	return 0, ErrClosed
}

// Commit implements Completed.
func (s *entries) Commit(ctx context.Context, e Entry) error {
	if err := e.validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
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
		return fmt.Errorf("attempt %d, the newest is %d: %w", e.Attempt, highest, ErrFenced)
	}
	return writeObject(ctx, s.objects, s.name(completedFolder, padded(e.ID)), encodeEntry(e))
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
		case errors.Is(err, fs.ErrNotExist): // removed meanwhile
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

// read reads the entry of a checkpoint. Only so much is read that an entry of another
// version can be told from damage.
func (s *entries) read(ctx context.Context, o ObjectInfo, id ID) (Entry, error) {
	switch {
	case o.Irregular != nil:
		return Entry{}, o.Irregular
	case o.Size > maxEntryBytes:
		return Entry{}, fmt.Errorf("%d bytes: %w", o.Size, ErrCorrupt)
	}
	data, err := readObject(ctx, s.objects, o.Name, o.Size)
	if err != nil {
		return Entry{}, err
	}
	e, err := decodeEntry(data)
	if err == nil && e.ID != id {
		err = fmt.Errorf("it is that of checkpoint %d: %w", e.ID, ErrCorrupt)
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

// The entry of a complete checkpoint, byte by byte: docs/format-checkpoint.md.
const (
	entryMagic    = "WEIRDONE"
	entryVersion  = 1
	entryBytes    = 8 + 2 + 2 + 4*8 + checksumBytes
	maxEntryBytes = 4 << 10 // of any version
	checksumBytes = 8
)

// entryOf is the entry of a checkpoint with this metadata.
func entryOf(c *Checkpoint, metadata []byte) Entry {
	return Entry{ID: c.ID, Attempt: c.Attempt, Size: int64(len(metadata)), Checksum: xxhash.Sum64(metadata)}
}

// validate says why an entry is none.
func (e Entry) validate() error {
	if e.ID < 1 || e.ID > maxNumber || e.Attempt < 1 || e.Attempt > maxNumber || e.Size < 0 || e.Size > maxMetadataBytes {
		return fmt.Errorf("checkpoint %d, attempt %d, metadata of %d bytes", e.ID, e.Attempt, e.Size)
	}
	return nil
}

func encodeEntry(e Entry) []byte {
	b := append(make([]byte, 0, entryBytes), entryMagic...)
	b = binary.BigEndian.AppendUint16(b, entryVersion)
	b = append(b, 0, 0)
	b = binary.BigEndian.AppendUint64(b, uint64(e.ID))
	b = binary.BigEndian.AppendUint64(b, uint64(e.Attempt))
	b = binary.BigEndian.AppendUint64(b, uint64(e.Size))
	b = binary.BigEndian.AppendUint64(b, e.Checksum)
	return binary.BigEndian.AppendUint64(b, xxhash.Sum64(b))
}

func decodeEntry(b []byte) (Entry, error) {
	rest, _, err := open(b, entryMagic, entryVersion)
	if err != nil {
		return Entry{}, err
	}
	p := parse.Parser{Rest: rest, Corrupt: ErrCorrupt}
	e := Entry{ID: ID(p.Uint64()), Attempt: AttemptID(p.Uint64()), Size: int64(p.Uint64()), Checksum: p.Uint64()}
	if err := p.End(); err != nil {
		return Entry{}, err
	}
	if err := e.validate(); err != nil {
		return Entry{}, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return e, nil
}
