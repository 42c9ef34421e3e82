package lsmstate

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/weirstate/weir/internal/confine"
	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/vfs"
)

// Names in the directory of a backend in addition to lock and marker. Other entries are never
// changed.
const (
	treeName    = "tree"
	stagingName = "restore" // staging directory of a restore in progress
)

// directory is the directory of a backend, which the backend has locked.
type directory struct {
	fs   vfs.FS
	path string
	lock vfs.Lock // checked before anything is removed
}

// openDirectory locks a directory and removes the files that a crash left in it.
func openDirectory(fsys vfs.FS, dir string) (*directory, error) {
	path, lock, err := backendClaim(fsys).acquire(dir)
	if err != nil {
		return nil, err
	}
	d := &directory{fsys, path, lock}
	if err := d.clear(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return d, nil
}

// tree returns the path of the tree.
func (d *directory) tree() string { return filepath.Join(d.path, treeName) }

// stagingDir returns the path of the staging directory.
func (d *directory) stagingDir() string { return filepath.Join(d.path, stagingName) }

// checkTree returns an error if no tree may be opened or made: the lock was lost, or the path of
// the tree is not a directory.
func (d *directory) checkTree() error {
	if err := d.lock.Check(); err != nil {
		return err
	}
	_, err := d.has(d.tree())
	return err
}

// clear removes all files that backends make. The tree must be closed. Other entries stay; then
// clear returns ErrNotStore. If the lock was lost, all files may belong to another process, and
// clear removes nothing.
func (d *directory) clear() error {
	if err := d.lock.Check(); err != nil {
		return err
	}
	return errors.Join(d.clearTree(), d.clearStaging(), removeTemps(d.fs, d.path, backendMarker))
}

// clearTree removes the files of the tree. It takes the lock of the tree, so nobody has it open.
func (d *directory) clearTree() error { return lsm.Destroy(d.tree(), lsm.Options{FS: d.fs}) }

// clearStaging removes the staging directory. If it has entries that no restore makes, they stay.
func (d *directory) clearStaging() error {
	if err := d.lock.Check(); err != nil {
		return err
	}
	exists, err := d.has(d.stagingDir())
	if !exists || err != nil {
		return err
	}
	names, err := d.fs.List(d.stagingDir())
	if err != nil {
		return err
	}
	var failed error
	for _, name := range names {
		if isStagedName(name) {
			failed = errors.Join(failed, ignoreMissing(confine.RemoveFile(d.fs, filepath.Join(d.stagingDir(), name))))
		} else {
			failed = cmp.Or(failed, foreignEntry(d.stagingDir(), name))
		}
	}
	if failed != nil {
		return failed
	}
	return d.fs.Remove(d.stagingDir())
}

// foreignEntry returns the error for an entry that no backend makes.
func foreignEntry(dir, name string) error {
	return fmt.Errorf("directory %s has an entry %s that no backend makes; move it, or use another directory: %w",
		dir, name, ErrNotStore)
}

// has reports whether a directory exists. It returns an error if path is something else.
func (d *directory) has(path string) (bool, error) {
	info, err := d.fs.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case !info.IsDir():
		return false, fmt.Errorf("%s is not a directory: %w", path, vfs.CheckDirectory(info))
	}
	return true, nil
}

// close removes the files of the backend, except lock and marker, and unlocks the directory.
func (d *directory) close() error { return errors.Join(d.clear(), d.lock.Close()) }

// RemoveLeftovers removes the files that a crashed backend left in a directory, and the directory
// itself if it is empty then. It returns ErrLocked if a backend uses the directory. It returns
// ErrNotStore, and changes nothing, if the directory is not that of a backend. It also returns
// ErrNotStore if the tree or the staging directory has entries that no backend makes; those
// entries stay.
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
	c := backendClaim(fsys)
	marked, err := c.check(path)
	if err != nil {
		return err
	}
	if _, treeErr := fsys.Lstat(filepath.Join(path, treeName)); !marked && treeErr != nil {
		return fmt.Errorf("directory %s has neither the marker nor the tree of a backend: %w", path, ErrNotStore)
	}
	lock, err := fsys.Lock(filepath.Join(path, lockName))
	if err != nil {
		return err
	}
	d := &directory{fsys, path, lock}
	err = c.mark(path) // checks the directory again, now that it is locked
	if err == nil {
		err = d.clear()
	}
	if err == nil { // after a crash there must be no tree without a marker
		err = fsys.SyncDir(path)
	}
	if err != nil {
		return errors.Join(err, lock.Close())
	}
	return d.remove(c.marker)
}

// remove removes marker, lock and directory. The directory stays if it has other entries. The lock
// is the last file to be removed; if another process makes a new lock, the directory stays.
func (d *directory) remove(marker string) error {
	err := ignoreMissing(confine.RemoveFile(d.fs, filepath.Join(d.path, marker)))
	if err == nil {
		_ = d.fs.Remove(filepath.Join(d.path, lockName))
	}
	if err = errors.Join(err, d.lock.Close()); err == nil {
		_ = d.fs.Remove(d.path)
	}
	return err
}

// ignoreMissing returns nil for fs.ErrNotExist, for the removal of files that may not exist.
func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
