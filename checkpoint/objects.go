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

// Objects is a store of immutable objects. Names consist of parts joined by slashes;
// snapshot.CheckName accepts each part. Checkpoints need nothing else from their storage: no
// rename, no append, no directories. So an object store such as S3 can implement it; Register
// makes it available by URL.
//
// An error says what the store was asked to do and names the object by its URL or path, without
// secrets. It wraps fs.ErrExist, fs.ErrNotExist, fs.ErrPermission, context.Canceled or
// syscall.ENOSPC where one of them is the reason. fs.ErrNotExist means that the store has
// answered and does not have the object, since a checkpoint that misses an object counts as lost.
// A missing bucket or root, or a server that does not answer, is another error. An operation whose
// context has ended returns the context's cause and has no effect. Create, Open and Remove return
// snapshot.ErrName for a name that CheckObjectName refuses, and List for a prefix that CheckPrefix
// refuses.
//
// Package storagetest tests that a store keeps these promises.
//
// Thread safety: safe for concurrent use.
type Objects interface {
	// Target has the method Create, which begins an object. The object becomes visible and
	// durable once its Commit has returned nil; Commit returns fs.ErrExist if the name is
	// taken.
	snapshot.Target
	// Source has the method Open, which opens an object for reads of ranges. Open returns
	// fs.ErrNotExist for a missing object.
	snapshot.Source
	// List returns every object whose name begins with prefix, ordered by Name. Unfinished
	// objects are selected by ObjectInfo.Of. If something that is not an object has such a
	// name, for example a link or a directory, List returns it with Irregular set, so that
	// callers do not think that the object is missing.
	List(ctx context.Context, prefix string) ([]ObjectInfo, error)
	// Remove removes an object, finished or not, by the Name that List returned. Removing an
	// object that does not exist is not an error.
	Remove(ctx context.Context, name string) error
}

// ObjectInfo describes an object.
type ObjectInfo struct {
	// Name is the name of the object. For an unfinished object it can only be passed to Remove.
	Name string
	// Size is the size in bytes.
	Size int64
	// Unfinished marks an object that was created and neither committed nor aborted. It is
	// being written, or a crash left it.
	Unfinished bool
	// Of is the name that was passed to Create, for an unfinished object.
	Of string
	// Irregular is nil for an object. Otherwise something else has the name, and Irregular is a
	// snapshot.ErrNotRegular that says what: a directory (also syscall.EISDIR), a symbolic
	// link, a device. Weir keeps it, since it may stand for an object that a user moved.
	Irregular error
}

// nameOf returns the name that the object has, or gets when it is committed.
func (o ObjectInfo) nameOf() string {
	if o.Unfinished {
		return o.Of
	}
	return o.Name
}

// isDirectory reports whether the name belongs to a directory.
func (o ObjectInfo) isDirectory() bool { return errors.Is(o.Irregular, syscall.EISDIR) }

// UnfinishedLister is implemented by Objects that need additional requests to list unfinished
// objects, such as the multipart uploads of S3. Their List returns only complete objects.
type UnfinishedLister interface {
	// ListUnfinished returns the unfinished objects whose ObjectInfo.Of begins with prefix,
	// ordered by Of.
	ListUnfinished(ctx context.Context, prefix string) ([]ObjectInfo, error)
}

// BatchRemover is implemented by Objects that remove many objects with few requests.
type BatchRemover interface {
	// RemoveAll removes objects, as Remove does for one. After an error, any of them may remain.
	RemoveAll(ctx context.Context, names []string) error
}

// Packer is implemented by Objects in which an object costs much more than its bytes, for example
// a request that is paid for. The coordinator then writes small files of one checkpoint into one
// object, and lists the completed store only when its knowledge of it is in doubt.
type Packer interface {
	// PackBytes returns the size in bytes up to which a file is small.
	PackBytes() int64
}

// Locker is implemented by Objects that can keep a second process out.
type Locker interface {
	// Lock takes an exclusive lock on a name and returns ErrLocked if another owner has it. The
	// lock is held until the result is closed or the process ends. A second Close returns nil
	// and does not affect the next owner. If the lock can be lost earlier, like a lease, or a
	// file that a user may remove, the result must implement LockChecker.
	Lock(ctx context.Context, name string) (io.Closer, error)
}

// LockChecker is a lock, returned by a Locker, that notices when it is lost. The coordinator
// calls Check before it creates, commits or removes an object of the job, so Check must be
// fast: the lock of Files checks one file. A lock that is not a LockChecker counts as held
// until it is closed.
//
// Thread safety: safe for concurrent use.
type LockChecker interface {
	// Check returns an error that wraps ErrLockLost if the lock is lost: another owner may have
	// it. It returns nil if the lock is held, and if that cannot be determined.
	Check() error
}

// folderOpener is implemented by Objects whose folders may be elsewhere: see Files.folder.
type folderOpener interface {
	folder(name string) (Objects, error)
}

// CheckObjectName returns snapshot.ErrName for a name that is not valid for an object.
func CheckObjectName(name string) error {
	for part := range strings.SplitSeq(name, "/") {
		if err := snapshot.CheckName(part); err != nil {
			return fmt.Errorf("object: %w", err)
		}
	}
	return nil
}

// CheckPrefix returns snapshot.ErrName for a prefix that no valid name has. The empty prefix, and
// a valid name with a slash at the end, are valid.
func CheckPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	return CheckObjectName(strings.TrimSuffix(prefix, "/"))
}

// readObject reads a whole object. It returns ErrCorrupt unless the object has exactly size
// bytes.
func readObject(ctx context.Context, objects Objects, name string, size int64) ([]byte, error) {
	o, err := objects.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer o.Close()
	if has, err := o.Size(); err != nil || has != size {
		return nil, cmp.Or(err, fmt.Errorf("object %q has %d bytes, want %d: %w", name, has, size, ErrCorrupt))
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

// removeAll removes objects by name, with few requests if the store can. Otherwise it removes one
// after the other, until the context ends.
func removeAll(ctx context.Context, objects Objects, names []string) (err error) {
	if batch, ok := objects.(BatchRemover); ok && len(names) > 0 {
		return batch.RemoveAll(ctx, names)
	}
	for _, name := range names {
		if ctx.Err() != nil {
			return errors.Join(err, context.Cause(ctx))
		}
		err = errors.Join(err, objects.Remove(ctx, name))
	}
	return err
}

// listAll lists objects, and also the unfinished ones that List does not return.
func listAll(ctx context.Context, objects Objects, prefix string) ([]ObjectInfo, error) {
	listed, err := objects.List(ctx, prefix)
	if err != nil {
		return nil, err
	}
	if g, ok := objects.(*guarded); ok {
		objects = g.Objects
	}
	lister, ok := objects.(UnfinishedLister)
	if !ok {
		return listed, nil
	}
	unfinished, err := lister.ListUnfinished(ctx, prefix)
	return append(listed, unfinished...), err
}

// writeObject creates, writes and commits an object.
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
