package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"

	"github.com/weirstate/weir/internal/confine"
	"github.com/weirstate/weir/internal/durable"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/vfs"
)

// Files are Objects, and a Locker, in a directory of a file system that supports hard links. An
// object is a regular file. The parts of its name before the last are directories: Create makes
// them, and the last Remove in one removes it.
//
// Problem: an object must appear under its name complete, once and durably, and a power cut at
// any moment must leave either all of it or nothing. A rename could replace an object of
// another process, so a hard link publishes it:
//
//	Create   chk-7/.1-op-0.5f0c2a91.tmp    staging file beside the final name
//	Write    buffered writes to the staging file
//	Commit   1. fsync the staging file
//	         2. link it to chk-7/1-op-0    fails with fs.ErrExist if the name is taken
//	         3. fsync the directory        the commit is durable from here on
//	         4. unlink the staging name
//	Abort    unlink the staging name
//	crash    leaves the staging file, which List returns as Unfinished
//
// Invariant: an object that can be opened is complete; its content never changes.
//
// Invariant: Commit and Remove are durable once they have returned nil, including the
// directories above the file.
//
// Invariant: a failed fsync of a directory discards changes of other operations in it, and
// Linux reports it only once. So an operation also fails if another one's fsync of a directory
// has failed since it began (syncWatch). After a removal whose sync failed, a second Remove of
// the name finds no file, but returns an error as long as the removal may be lost (unsynced).
//
// Invariant: the path of the directory is resolved once, when it is opened, and later changes
// of links or of the working directory do not matter. Below it no symbolic link is followed: an
// operation that would have to follow a link returns snapshot.ErrNotRegular. It returns the same
// error if the name of an object belongs to a directory, device or other irregular file. List
// returns these with Irregular set. Remove removes a symbolic link itself, except in the folder of a
// job that a coordinator works on; other irregular files stay.
//
// Cost: a commit costs two fsyncs; the first file in a new directory costs one more for each
// directory made.
//
// Thread safety: safe for concurrent use.
type Files struct {
	fs     vfs.FS // the file system, confined to root
	root   string // absolute and free of links
	prefix string // all names begin with it; it corresponds to root (see folder)
	// keepLinks makes Remove return snapshot.ErrNotRegular for a symbolic link. It is set for the
	// folder of a job: there a link in the place of an object was made by a user.
	keepLinks bool
	*directories
}

// directories is the state of a directory tree that all Files on it share.
type directories struct {
	watch *syncWatch

	// mu is held while a directory is made for a file or removed because it is empty.
	mu   sync.Mutex
	made map[string]bool // directories that exist durably
	// unsynced maps each file whose removal was not synced to the number of failed syncs before
	// that removal. If more have failed since, a power cut may bring the file back, and no
	// later sync can prevent it.
	unsynced map[string]int64
}

// NewFiles opens a directory, and makes it if it does not exist. The path is resolved now: see
// Files.
func NewFiles(path string) (*Files, error) { return FilesOn(vfs.Real{}, path) }

// FilesOn opens a directory on another file system, as NewFiles does.
func FilesOn(fsys vfs.FS, path string) (*Files, error) {
	root, err := fsys.Resolve(path)
	if err == nil {
		err = durable.MkdirAll(fsys, root)
	}
	if err != nil {
		return nil, fmt.Errorf("checkpoint directory: %w", err)
	}
	return newFiles(root, "", &directories{
		watch: &syncWatch{FS: fsys}, made: make(map[string]bool), unsynced: make(map[string]int64),
	}), nil
}

// newFiles returns Files for the directory root. Names begin with prefix.
func newFiles(root, prefix string, d *directories) *Files {
	root = filepath.Clean(root)
	return &Files{fs: confine.Below{FS: d.watch, Root: root}, root: root, prefix: prefix, directories: d}
}

// folder returns Files for the objects whose names begin with the given folder name and a
// slash. If the folder is a symbolic link, it is resolved now, and its target is used from then
// on: the caller chose the folder's name, so a link there is intended.
func (f *Files) folder(name string) (Objects, error) {
	if err := snapshot.CheckName(name); err != nil {
		return nil, err
	}
	root, err := f.fs.Resolve(f.path(name))
	if err == nil {
		if _, err = f.fs.List(root); errors.Is(err, fs.ErrNotExist) {
			err = nil // the first Create makes it
		}
	}
	if err != nil {
		return nil, fmt.Errorf("folder %q: %w", name, err)
	}
	job := newFiles(root, f.prefix+name+"/", f.directories)
	job.keepLinks = true
	return job, nil
}

// Create implements Objects.
func (f *Files) Create(ctx context.Context, name string) (snapshot.File, error) {
	if err := errors.Join(context.Cause(ctx), f.check(name)); err != nil {
		return nil, err
	}
	path := f.path(name)
	f.mu.Lock()
	defer f.mu.Unlock()
	for range createTries {
		if err := f.makeDir(filepath.Dir(path)); err != nil {
			return nil, err
		}
		draft, err := durable.NewDraft(f.fs, path)
		if err == nil {
			return &filesFile{Draft: draft, files: f, path: path}, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		delete(f.made, filepath.Dir(path)) // another process has removed the directory
	}
	return nil, fmt.Errorf("directory of object %q: %w", name, fs.ErrNotExist)
}

// createTries is the number of times that Create makes the directory again when another process
// removes it before the file is created.
const createTries = 10

// makeDir makes a directory durably, if it was not made before. The mutex is held.
func (f *Files) makeDir(dir string) error {
	if f.made[dir] {
		return nil
	}
	err := f.watch.watched(func() error { return durable.MkdirAll(f.fs, dir) })
	if err != nil {
		f.removeEmpty(dir)
		return err
	}
	f.made[dir] = true
	return nil
}

// forgetMade forgets that a directory and those below it were made. A new lock owner must make
// them again: they may have been removed since the previous owner left. The mutex is held.
func (d *directories) forgetMade(dir string) {
	below := strings.TrimSuffix(dir, string(filepath.Separator)) + string(filepath.Separator)
	maps.DeleteFunc(d.made, func(made string, _ bool) bool {
		return made == dir || strings.HasPrefix(made, below)
	})
}

// removeEmpty removes a directory and its parents below the root, as long as they are empty. It
// stops at anything that is not a directory. The mutex is held.
func (f *Files) removeEmpty(dir string) {
	for ; dir != f.root; dir = filepath.Dir(dir) {
		info, err := f.fs.Lstat(dir)
		if err == nil && info.IsDir() {
			err = f.fs.Remove(dir)
		} else if err == nil {
			return
		}
		if err != nil && !isMissing(err) {
			return
		}
		delete(f.made, dir)
	}
}

// Open implements Objects.
func (f *Files) Open(ctx context.Context, name string) (snapshot.Object, error) {
	if err := errors.Join(context.Cause(ctx), f.check(name)); err != nil {
		return nil, err
	}
	file, err := f.fs.Open(f.path(name))
	if errors.Is(err, syscall.ENOTDIR) { // a parent is a file
		err = fmt.Errorf("%w: %w", err, fs.ErrNotExist)
	}
	if err != nil {
		return nil, err
	}
	return file, nil
}

// Link gives an object a second name at a path outside the directory. It returns
// errors.ErrUnsupported on Windows, where a name cannot be removed while the file is open under
// another name, as an LSM store keeps it.
func (f *Files) Link(ctx context.Context, name, path string) error {
	if runtime.GOOS == "windows" {
		return errors.ErrUnsupported
	}
	if err := errors.Join(context.Cause(ctx), f.check(name)); err != nil {
		return err
	}
	return f.fs.Link(f.path(name), path)
}

// Remove implements Objects.
func (f *Files) Remove(ctx context.Context, name string) error {
	dir, base := path.Split(name)
	of, unfinished := createdAs(base)
	if err := errors.Join(context.Cause(ctx), f.check(dir+of)); err != nil {
		return err
	}
	path := f.path(name)
	var err error
	if unfinished {
		err = ignoreMissing(f.removeFile(path)) // need not be durable: Collect removes it again
	} else {
		err = f.remove(path)
	}
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.removeEmpty(filepath.Dir(path))
	return nil
}

// removeFile removes a regular file or, unless keepLinks is set, a symbolic link.
func (f *Files) removeFile(path string) error {
	if f.keepLinks {
		return confine.RemoveFile(f.fs, path)
	}
	return confine.RemoveFileOrLink(f.fs, path)
}

// remove removes a file durably.
func (f *Files) remove(path string) error {
	gone, failures := false, f.watch.failures.Load()
	err := f.watch.watched(func() error {
		err := f.removeFile(path)
		gone = err == nil
		if err := ignoreMissing(err); err != nil {
			return err
		}
		return f.syncAbove(path)
	})
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case gone && err == nil:
		delete(f.unsynced, path)
	case gone:
		f.unsynced[path] = failures
	case err == nil:
		err = f.checkEarlierRemoval(path)
	}
	return err
}

// checkEarlierRemoval returns an error if an earlier removal of the file was lost to a failed
// sync. The caller has just synced the directory without an error. The mutex is held.
func (f *Files) checkEarlierRemoval(path string) error {
	failures, ok := f.unsynced[path]
	if ok && failures != f.watch.failures.Load() {
		return &fs.PathError{Op: "remove", Path: path, Err: errSync}
	}
	delete(f.unsynced, path)
	return nil
}

// syncAbove makes the removal of a file durable by syncing its directory. If the directory
// itself has been removed since, it syncs the nearest parent that exists.
func (f *Files) syncAbove(path string) error {
	for {
		path = filepath.Dir(path)
		if err := f.fs.SyncDir(path); path == f.root || !isMissing(err) {
			return err
		}
	}
}

// Lock implements Locker. It locks a hidden file, which stays after the lock is closed. The
// result is a LockChecker.
func (f *Files) Lock(ctx context.Context, name string) (io.Closer, error) {
	if err := errors.Join(context.Cause(ctx), f.check(name)); err != nil {
		return nil, err
	}
	dir, base := path.Split(name)
	path := f.path(dir + "." + base)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forgetMade(filepath.Dir(path))
	if err := f.makeDir(filepath.Dir(path)); err != nil {
		return nil, err
	}
	lock, err := f.fs.Lock(path)
	switch {
	case errors.Is(err, vfs.ErrLocked):
		return nil, fmt.Errorf("%q: %w", path, ErrLocked)
	case err != nil:
		return nil, err
	}
	return filesLock{lock, path}, nil
}

// filesLock is a lock of Files and implements LockChecker.
type filesLock struct {
	vfs.Lock
	path string
}

// Check implements LockChecker.
func (l filesLock) Check() error {
	err := l.Lock.Check()
	if errors.Is(err, vfs.ErrLockLost) {
		err = fmt.Errorf("%q: %w", l.path, ErrLockLost)
	}
	return err
}

// path returns the path of an object, or of a directory of objects.
func (f *Files) path(name string) string {
	return filepath.Join(f.root, filepath.FromSlash(strings.TrimPrefix(name, f.prefix)))
}

// check returns snapshot.ErrName for an invalid object name and for an object outside the
// folder.
func (f *Files) check(name string) error {
	if err := CheckObjectName(name); err != nil {
		return err
	}
	if !strings.HasPrefix(name, f.prefix) {
		return fmt.Errorf("object %q is not in %q: %w", name, f.prefix, snapshot.ErrName)
	}
	return nil
}

// isMissing reports whether err means that nothing exists at a path.
func isMissing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// ignoreMissing returns nil for errors that isMissing accepts, and err otherwise.
func ignoreMissing(err error) error {
	if isMissing(err) {
		return nil
	}
	return err
}

// filesFile is an object of Files that is being written.
type filesFile struct {
	*durable.Draft
	files *Files
	path  string
	ended bool
}

// Commit implements snapshot.File.
func (f *filesFile) Commit() error {
	err := f.files.watch.watched(f.Draft.Commit)
	f.ended = err == nil
	if errors.Is(err, errSync) {
		err = errors.Join(err, f.files.fs.Remove(f.path))
	}
	return err
}

// Abort implements snapshot.File.
func (f *filesFile) Abort() error {
	if f.ended {
		return nil
	}
	f.ended = true
	err := f.Draft.Abort()
	f.files.mu.Lock()
	defer f.files.mu.Unlock()
	f.files.removeEmpty(filepath.Dir(f.path))
	return err
}
