package lsmstate

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/weirstate/weir/internal/vfs"
)

// Names in the directory of a backend, beside lock and marker. Nothing else in it is
// touched.
const (
	treeName  = "tree"
	stageName = "restore" // files of a restore under way
)

// directory is where a backend has its tree, and nobody else.
type directory struct {
	fs   vfs.FS
	path string
	lock vfs.Lock // checked before anything is removed
}

// openDirectory takes a directory. A tree in it was left by a crash.
func openDirectory(fsys vfs.FS, dir string) (*directory, error) {
	path, lock, err := claimOfBackends(fsys).take(dir)
	if err != nil {
		return nil, err
	}
	d := &directory{fsys, path, lock}
	if err := d.clear(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return d, nil
}

// tree is the directory of the tree.
func (d *directory) tree() string { return filepath.Join(d.path, treeName) }

// stage is where a restore collects its files.
func (d *directory) stage() string { return filepath.Join(d.path, stageName) }

// checkTree returns why no tree may be opened or made: the lock was lost, or something
// else, such as a symbolic link, has taken the place of the tree.
func (d *directory) checkTree() error {
	if err := d.lock.Check(); err != nil {
		return err
	}
	_, err := d.has(d.tree())
	return err
}

// clear removes all that is of the backend; the tree must be closed. After the lock
// was lost all of it may be somebody else's, and stays.
func (d *directory) clear() error {
	if err := d.lock.Check(); err != nil {
		return err
	}
	return errors.Join(d.clearTree(), d.clearStage())
}

// clearTree removes the tree, whose lock tells that nobody has it open.
func (d *directory) clearTree() error {
	there, err := d.has(d.tree())
	if !there || err != nil {
		return err
	}
	lock, err := d.fs.Lock(filepath.Join(d.tree(), lockName))
	if err != nil {
		return err
	}
	err = d.fs.RemoveAll(d.tree())
	if closeErr := lock.Close(); closeErr != nil {
		return errors.Join(err, closeErr)
	}
	if err != nil { // some systems remove no file that is locked
		err = d.fs.RemoveAll(d.tree())
	}
	return err
}

// clearStage removes what a restore has collected.
func (d *directory) clearStage() error {
	if err := d.lock.Check(); err != nil {
		return err
	}
	there, err := d.has(d.stage())
	if !there || err != nil {
		return err
	}
	return d.fs.RemoveAll(d.stage())
}

// has reports whether a directory is there. Anything else in its place was not made
// by a backend.
func (d *directory) has(path string) (bool, error) {
	info, err := d.fs.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case !info.IsDir():
		return false, fmt.Errorf("%s is no directory: %w", filepath.Base(path), vfs.CheckDirectory(info))
	}
	return true, nil
}

// close gives the directory back, empty but for lock and marker.
func (d *directory) close() error { return errors.Join(d.clear(), d.lock.Close()) }

// RemoveLeftovers removes what a backend that a crash ended has left in a directory,
// and the directory itself if nothing else is in it. It returns ErrLocked if a backend
// has the directory, and ErrNotStore, having removed nothing, if none of a backend is
// there.
func RemoveLeftovers(dir string) error { return removeLeftovers(vfs.Real{}, dir) }

func removeLeftovers(fsys vfs.FS, dir string) error {
	if err := removeDirectory(fsys, dir); err != nil {
		return fmt.Errorf("lsmstate: remove leftovers: %w", err)
	}
	return nil
}

func removeDirectory(fsys vfs.FS, dir string) error {
	path, err := fsys.Resolve(dir)
	if err != nil {
		return err
	}
	c := claimOfBackends(fsys)
	marked, err := c.check(path)
	if err != nil {
		return err
	}
	if _, treeErr := fsys.Lstat(filepath.Join(path, treeName)); !marked && treeErr != nil {
		return fmt.Errorf("nothing in it is a backend's: %w", ErrNotStore)
	}
	lock, err := fsys.Lock(filepath.Join(path, lockName))
	if err != nil {
		return err
	}
	d := &directory{fsys, path, lock}
	if _, err = c.check(path); err == nil { // again: nobody else has it now
		err = d.clear()
	}
	if err == nil { // a tree that came back without the marker would be somebody else's
		err = fsys.SyncDir(path)
	}
	if err != nil {
		return errors.Join(err, lock.Close())
	}
	return d.remove(c.marker)
}

// remove removes an empty directory, as far as the system does and nothing else is in
// it. The lock goes last, and the directory after it only if nobody has made another.
func (d *directory) remove(marker string) error {
	err := ignoreMissing(vfs.RemoveFile(d.fs, filepath.Join(d.path, marker)))
	if err == nil {
		_ = d.fs.Remove(filepath.Join(d.path, lockName))
	}
	if err = errors.Join(err, d.lock.Close()); err == nil {
		_ = d.fs.Remove(d.path)
	}
	return err
}

// ignoreMissing is for removing what may have gone.
func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
