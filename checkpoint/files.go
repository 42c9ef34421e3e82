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

// Files are Objects, and a Locker, in a directory of a file system, which must
// have hard links. An object is a file, the parts of its name before the last
// are directories, which come and go with what is in them.
//
// Links in the path of the directory are evaluated once, when it is opened, and so
// is the working directory. Below it no symbolic link is followed: an operation
// that would have to is snapshot.ErrNotRegular, as is one that finds something else
// where a file belongs. Such things are listed as irregular. Remove removes a
// symbolic link itself, never what it leads to; other such things stay.
//
// Commit and Remove are durable when they have returned nil. After a Remove whose
// sync has failed, another one of the same object, by now gone, fails as well: a
// power cut may bring it back. If its directory could not be opened for the sync, the
// other Remove syncs it.
//
// Thread safety: safe for concurrent use.
type Files struct {
	fs     vfs.FS // watch, without links below root
	root   string // absolute, and without links
	prefix string // begins all names, and stands for root: see folder
	*directories
}

// directories are what Files know of the directories of a file system. Files of
// the same directory and of folders in it share them.
type directories struct {
	watch *syncWatch

	// mu is held while a directory is made for a file or removed for want of
	// one.
	mu   sync.Mutex
	made map[string]bool // directories that are there, durably
	// unsynced are the files that were removed without being able to sync that, and
	// how many syncs had failed before. If more have by now, a power cut may bring the
	// file back.
	unsynced map[string]int64
}

// NewFiles makes a directory, if there is none, and uses it.
func NewFiles(path string) (*Files, error) { return FilesOn(vfs.Real{}, path) }

// FilesOn is NewFiles on another file system.
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

func newFiles(root, prefix string, d *directories) *Files {
	root = filepath.Clean(root)
	return &Files{fs: confine.Below{FS: d.watch, Root: root}, root: root, prefix: prefix, directories: d}
}

// folder returns the Files of the objects whose names begin with a folder and a
// slash. The caller has named the folder: if it is a symbolic link, it is evaluated
// now, and what it led to is used from now on.
func (f *Files) folder(name string) (Objects, error) {
	if err := snapshot.CheckName(name); err != nil {
		return nil, err
	}
	root, err := f.fs.Resolve(f.path(name))
	if err == nil {
		if _, err = f.fs.List(root); errors.Is(err, fs.ErrNotExist) {
			err = nil // the first object makes it
		}
	}
	if err != nil {
		return nil, fmt.Errorf("folder %q: %w", name, err)
	}
	return newFiles(root, f.prefix+name+"/", f.directories), nil
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
		delete(f.made, filepath.Dir(path)) // another process has removed it
	}
	return nil, fmt.Errorf("directory of object %q: %w", name, fs.ErrNotExist)
}

// createTries is how often another process may remove a directory just before
// the first file gets there.
const createTries = 10

// makeDir makes the directory for a file. The mutex is held.
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

// forget forgets that a directory, and those below it, were made: a new owner begins
// with what is there, whatever was removed after the last one. The mutex is held.
func (d *directories) forget(dir string) {
	below := strings.TrimSuffix(dir, string(filepath.Separator)) + string(filepath.Separator)
	maps.DeleteFunc(d.made, func(made string, _ bool) bool {
		return made == dir || strings.HasPrefix(made, below)
	})
}

// removeEmpty removes a directory and those above it, up to the root, as long as
// they are empty. It keeps everything that is not a directory. The mutex is held.
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
	if errors.Is(err, syscall.ENOTDIR) { // below a file
		err = fmt.Errorf("%w: %w", err, fs.ErrNotExist)
	}
	if err != nil {
		return nil, err
	}
	return file, nil
}

// Link gives an object a second name, a path outside of the directory. Windows
// removes no name of a file that is open by another, so it is ErrUnsupported there:
// what is linked is kept open by a tree.
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
		err = ignoreMissing(confine.RemoveFileOrLink(f.fs, path)) // nothing is lost if it comes back
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

// remove removes a file durably.
func (f *Files) remove(path string) error {
	gone, failures := false, f.watch.failures.Load()
	err := f.watch.watched(func() error {
		err := confine.RemoveFileOrLink(f.fs, path)
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
		err = f.settle(path)
	}
	return err
}

// settle finds out whether a sync that has succeeded made an earlier removal of a file
// durable. The mutex is held.
func (f *Files) settle(path string) error {
	failures, ok := f.unsynced[path]
	if ok && failures != f.watch.failures.Load() {
		return &fs.PathError{Op: "remove", Path: path, Err: errSync}
	}
	delete(f.unsynced, path)
	return nil
}

// syncAbove makes the removal of a file durable. If its directory has been
// removed since, that is what has to be.
func (f *Files) syncAbove(path string) error {
	for {
		path = filepath.Dir(path)
		if err := f.fs.SyncDir(path); path == f.root || !isMissing(err) {
			return err
		}
	}
}

// Lock implements Locker. The file that stands for the lock is hidden, and stays. The
// lock is a LockChecker.
func (f *Files) Lock(ctx context.Context, name string) (io.Closer, error) {
	if err := errors.Join(context.Cause(ctx), f.check(name)); err != nil {
		return nil, err
	}
	dir, base := path.Split(name)
	path := f.path(dir + "." + base)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forget(filepath.Dir(path))
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

// filesLock is a lock of Files, and a LockChecker.
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

// path is where an object is, or the directory of some.
func (f *Files) path(name string) string {
	return filepath.Join(f.root, filepath.FromSlash(strings.TrimPrefix(name, f.prefix)))
}

// check returns snapshot.ErrName for an invalid object name and for an object outside
// the folder.
func (f *Files) check(name string) error {
	if err := checkObjectName(name); err != nil {
		return err
	}
	if !strings.HasPrefix(name, f.prefix) {
		return fmt.Errorf("object %q is not in %q: %w", name, f.prefix, snapshot.ErrName)
	}
	return nil
}

// isMissing says whether an error means that there is nothing under a path.
func isMissing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

func ignoreMissing(err error) error {
	if isMissing(err) {
		return nil
	}
	return err
}

// filesFile is a file of Files being written.
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
