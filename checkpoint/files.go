package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/weirstate/weir/internal/vfs"
	"github.com/weirstate/weir/snapshot"
)

// Files are Objects, and a Locker, in a directory of a file system, which must
// have hard links. An object is a file, the parts of its name before the last
// are directories, which come and go with what is in them. A symbolic link below
// the directory is not listed, nor is anything removed through one.
//
// Commit and Remove are durable when they have returned nil. After a Remove that
// could not be made so, another one of the same object, by now gone, fails as
// well: a power cut may bring it back.
//
// Thread safety: safe for concurrent use.
type Files struct {
	fs   *syncWatch
	root string

	// mu is held while a directory is made for a file or removed for want of
	// one.
	mu   sync.Mutex
	made map[string]bool // directories that are there, durably
	// unsure are the files whose removal a power cut may undo.
	unsure map[string]bool
}

// NewFiles makes a directory, if there is none, and uses it.
func NewFiles(path string) (*Files, error) { return FilesOn(vfs.Real{}, path) }

// FilesOn is NewFiles on another file system.
func FilesOn(fsys vfs.FS, path string) (*Files, error) {
	if err := vfs.MkdirAllSync(fsys, path); err != nil {
		return nil, fmt.Errorf("checkpoint directory: %w", err)
	}
	return &Files{
		fs: &syncWatch{FS: fsys}, root: filepath.Clean(path),
		made: make(map[string]bool), unsure: make(map[string]bool),
	}, nil
}

// Create implements Objects.
func (f *Files) Create(ctx context.Context, name string) (snapshot.File, error) {
	if err := errors.Join(context.Cause(ctx), checkObjectName(name)); err != nil {
		return nil, err
	}
	path := f.path(name)
	f.mu.Lock()
	defer f.mu.Unlock()
	for range createTries {
		if err := f.makeDir(filepath.Dir(path)); err != nil {
			return nil, err
		}
		draft, err := vfs.NewDraft(f.fs, path)
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
	err := f.fs.watched(func() error { return vfs.MkdirAllSync(f.fs, dir) })
	if err != nil {
		f.removeEmpty(dir)
		return err
	}
	f.made[dir] = true
	return nil
}

// removeEmpty removes a directory and those above it, up to the root, as long as
// they are empty. The mutex is held.
func (f *Files) removeEmpty(dir string) {
	for ; dir != f.root; dir = filepath.Dir(dir) {
		if err := f.fs.Remove(dir); err != nil && !isMissing(err) {
			return
		}
		delete(f.made, dir)
	}
}

// Open implements Objects.
func (f *Files) Open(ctx context.Context, name string) (snapshot.Object, error) {
	if err := errors.Join(context.Cause(ctx), checkObjectName(name)); err != nil {
		return nil, err
	}
	return f.fs.Open(f.path(name))
}

// Link gives an object a second name, a path outside of the directory. Windows
// removes no name of a file that is open by another, so it is ErrUnsupported there:
// what is linked is kept open by a tree.
func (f *Files) Link(ctx context.Context, name, path string) error {
	if runtime.GOOS == "windows" {
		return errors.ErrUnsupported
	}
	if err := errors.Join(context.Cause(ctx), checkObjectName(name)); err != nil {
		return err
	}
	info, err := f.fs.Lstat(f.path(name))
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("object %q is no file: %w", name, errors.ErrUnsupported)
	}
	if err != nil {
		return err
	}
	return f.fs.Link(f.path(name), path)
}

// List implements Objects.
func (f *Files) List(ctx context.Context, prefix string) ([]ObjectInfo, error) {
	if err := checkPrefix(prefix); err != nil {
		return nil, err
	}
	dir, start := path.Split(prefix)
	objects, err := f.walk(ctx, nil, dir, start)
	slices.SortFunc(objects, func(a, b ObjectInfo) int { return strings.Compare(a.Name, b.Name) })
	return objects, err
}

// walk adds what is in a directory, "" or one with a slash behind it, under names
// that begin with start, and all below it.
func (f *Files) walk(ctx context.Context, objects []ObjectInfo, dir, start string) ([]ObjectInfo, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	names, err := f.fs.List(f.path(dir))
	if isMissing(err) {
		return objects, nil
	}
	for _, base := range names {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		of, unfinished := createdAs(base)
		if !strings.HasPrefix(of, start) || snapshot.CheckName(of) != nil {
			continue
		}
		var info fs.FileInfo
		info, err = f.fs.Lstat(f.path(dir + base))
		switch {
		case isMissing(err): // by now
			err = nil
		case err != nil:
			return nil, err
		case info.IsDir() && !unfinished:
			objects, err = f.walk(ctx, objects, dir+base+"/", "")
		case info.Mode().IsRegular() && unfinished:
			objects = append(objects, ObjectInfo{Name: dir + base, Size: info.Size(), Unfinished: true, Of: dir + of})
		case info.Mode().IsRegular():
			objects = append(objects, ObjectInfo{Name: dir + base, Size: info.Size()})
		}
		if err != nil {
			return nil, err
		}
	}
	return objects, err
}

// Remove implements Objects.
func (f *Files) Remove(ctx context.Context, name string) error {
	dir, base := path.Split(name)
	of, unfinished := createdAs(base)
	if err := errors.Join(context.Cause(ctx), checkObjectName(dir+of)); err != nil {
		return err
	}
	path := f.path(name)
	none, err := f.checkParents(path)
	if none || err != nil {
		return err
	}
	if unfinished {
		err = ignoreMissing(f.fs.Remove(path)) // nothing is lost if it comes back
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
	gone := false
	err := f.fs.watched(func() error {
		err := f.fs.Remove(path)
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
		delete(f.unsure, path)
	case gone:
		f.unsure[path] = true
	case err == nil && f.unsure[path]:
		err = &fs.PathError{Op: "remove", Path: path, Err: errSync}
	}
	return err
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

// checkParents sees that no link leads from the root to a file. If another file
// does, there is none.
func (f *Files) checkParents(path string) (none bool, err error) {
	for dir := filepath.Dir(path); dir != f.root; dir = filepath.Dir(dir) {
		info, err := f.fs.Lstat(dir)
		switch {
		case isMissing(err):
		case err != nil:
			return false, err
		case info.Mode().IsRegular():
			return true, nil
		case !info.IsDir():
			return false, &fs.PathError{Op: "remove", Path: path, Err: syscall.ENOTDIR}
		}
	}
	return false, nil
}

// Lock implements Locker. The file that stands for the lock is hidden, and stays.
func (f *Files) Lock(ctx context.Context, name string) (io.Closer, error) {
	if err := errors.Join(context.Cause(ctx), checkObjectName(name)); err != nil {
		return nil, err
	}
	dir, base := path.Split(name)
	path := f.path(dir + "." + base)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.makeDir(filepath.Dir(path)); err != nil {
		return nil, err
	}
	lock, err := f.fs.Lock(path)
	if errors.Is(err, vfs.ErrLocked) {
		err = fmt.Errorf("%q: %w", name, ErrLocked)
	}
	return lock, err
}

func (f *Files) path(name string) string { return filepath.Join(f.root, filepath.FromSlash(name)) }

// createdAs is the base name under which a file was created.
func createdAs(base string) (of string, unfinished bool) {
	if of, unfinished = vfs.DraftOf(base); unfinished {
		return of, true
	}
	return base, false
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
	*vfs.Draft
	files *Files
	path  string
	ended bool
}

// Commit implements snapshot.File.
func (f *filesFile) Commit() error {
	err := f.files.fs.watched(f.Draft.Commit)
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

// syncWatch is a file system that counts the failures of SyncDir. One that fails
// gives up for good what others wanted to have synced, and the next succeeds.
type syncWatch struct {
	vfs.FS
	failures atomic.Int64
}

var errSync = errors.New("a sync of the directory has failed")

// SyncDir implements vfs.FS.
func (w *syncWatch) SyncDir(dir string) error {
	err := w.FS.SyncDir(dir)
	if err != nil && !isMissing(err) {
		w.failures.Add(1)
	}
	return err
}

// watched runs a change of directories that syncs them. It is errSync if somebody
// else's sync has failed since it began.
func (w *syncWatch) watched(change func() error) error {
	before := w.failures.Load()
	if err := change(); err != nil {
		return err
	}
	if w.failures.Load() != before {
		return errSync
	}
	return nil
}
