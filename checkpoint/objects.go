package checkpoint

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"

	"github.com/weirstate/weir/snapshot"
)

// Objects is a store of immutable objects under names with slashes, each part
// of which snapshot.CheckName accepts. It is all that checkpoints ask of the
// place they go to: no rename, no append, no directories.
//
// Thread safety: safe for concurrent use.
type Objects interface {
	// Target creates objects: one is visible and durable once its Commit has
	// returned nil, and fs.ErrExist if its name was taken.
	snapshot.Target
	// Source reads ranges of objects; a missing one is fs.ErrNotExist.
	snapshot.Source
	// List describes every object whose name starts with prefix, ordered by
	// name. Of an unfinished one, Of is what counts for prefix. Whatever else
	// has such a name is listed as irregular, so that it is not taken for
	// nothing; so are the directories of a store that has some.
	List(ctx context.Context, prefix string) ([]ObjectInfo, error)
	// Remove removes an object, finished or not, by the name that List gave;
	// removing nothing is no error.
	Remove(ctx context.Context, name string) error
}

// ObjectInfo describes an object.
type ObjectInfo struct {
	Name string
	// Size is in bytes.
	Size int64
	// Unfinished marks what a Create left that was neither committed nor
	// aborted, or is still at work. Its Name serves Remove only.
	Unfinished bool
	// Of is the name that an unfinished object was created under.
	Of string
	// Irregular is nil for an object. Otherwise it is a snapshot.ErrNotRegular that
	// says what has the name: a directory (syscall.EISDIR as well), a symbolic link,
	// a device. If an object belongs there, nobody can tell what it was: it is kept
	// until somebody has looked at it.
	Irregular error
}

// nameOf is the name that an object has or was to have.
func (o ObjectInfo) nameOf() string {
	if o.Unfinished {
		return o.Of
	}
	return o.Name
}

// isDirectory reports whether the name is that of a directory.
func (o ObjectInfo) isDirectory() bool { return errors.Is(o.Irregular, syscall.EISDIR) }

// Locker is what Objects have beside if they can keep a second process out.
type Locker interface {
	// Lock takes an exclusive lock of a name until the result is closed or the
	// process ends; a second Close returns nil and leaves the next owner's lock
	// alone. It is ErrLocked if another owner has it. A lock that can end
	// earlier, such as a lease, or a file that somebody may remove, is a
	// LockChecker as well.
	Lock(ctx context.Context, name string) (io.Closer, error)
}

// LockChecker is a lock, as a Locker returns it, that can tell whether it is still
// held. The coordinator asks it before it creates, commits or removes an object of
// the job, so Check must be quick: the one of Files looks at one file. A lock that is
// no LockChecker counts as held until it is closed.
//
// Thread safety: safe for concurrent use.
type LockChecker interface {
	// Check returns an error that wraps ErrLockLost if another owner may have what
	// was locked, and nil if it is still held or that cannot be told.
	Check() error
}

// folderer is what Objects have beside if folders can be elsewhere: see
// Files.folder.
type folderer interface {
	folder(name string) (Objects, error)
}

// checkObjectName returns snapshot.ErrName for a name that no Objects accept.
func checkObjectName(name string) error {
	for part := range strings.SplitSeq(name, "/") {
		if err := snapshot.CheckName(part); err != nil {
			return fmt.Errorf("object: %w", err)
		}
	}
	return nil
}

// checkPrefix is checkObjectName for the beginning of a name.
func checkPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	return checkObjectName(strings.TrimSuffix(prefix, "/"))
}

// readObject reads a whole object, which must have a size.
func readObject(ctx context.Context, objects Objects, name string, size int64) ([]byte, error) {
	o, err := objects.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer o.Close()
	if there, err := o.Size(); err != nil || there != size {
		return nil, cmp.Or(err, fmt.Errorf("object %q has %d bytes, want %d: %w", name, there, size, ErrCorrupt))
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(io.NewSectionReader(o, 0, size), data); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = fmt.Errorf("object %q ends early: %w", name, ErrCorrupt)
		}
		return nil, err
	}
	return data, nil
}

// writeObject writes a whole object.
func writeObject(ctx context.Context, objects Objects, name string, data []byte) error {
	file, err := objects.Create(ctx, name)
	if err != nil {
		return err
	}
	if _, err = file.Write(data); err == nil {
		err = file.Commit()
	}
	if err != nil {
		return errors.Join(err, file.Abort())
	}
	return nil
}
