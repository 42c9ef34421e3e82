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

// clear removes the files that backends make; the tree must be closed. Anything else
// stays, and makes it ErrNotStore. After the lock was lost all files may be somebody
// else's, and stay.
func (d *directory) clear() error {
	if err := d.lock.Check(); err != nil {
		return err
	}
	return errors.Join(d.clearTree(), d.clearStage(), removeTemps(d.fs, d.path, backendMarker))
}

// clearTree removes the files of the tree, whose lock tells that nobody has it open.
func (d *directory) clearTree() error { return lsm.Destroy(d.tree(), lsm.Options{FS: d.fs}) }

// clearStage removes what a restore has collected. Anything else stays.
func (d *directory) clearStage() error {
	if err := d.lock.Check(); err != nil {
		return err
	}
	there, err := d.has(d.stage())
	if !there || err != nil {
		return err
	}
	names, err := d.fs.List(d.stage())
	if err != nil {
		return err
	}
	var failed error
	for _, name := range names {
		if isStaged(name) {
			failed = errors.Join(failed, ignoreMissing(confine.RemoveFile(d.fs, filepath.Join(d.stage(), name))))
		} else {
			failed = cmp.Or(failed, foreign(d.stage(), name))
		}
	}
	if failed != nil {
		return failed
	}
	return d.fs.Remove(d.stage())
}

// foreign is the error of an entry that no backend makes.
func foreign(dir, name string) error {
	return fmt.Errorf("directory %s has an entry %s that no backend makes; move it, or use another directory: %w",
		dir, name, ErrNotStore)
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
		return false, fmt.Errorf("%s is no directory: %w", path, vfs.CheckDirectory(info))
	}
	return true, nil
}

// close gives the directory back, empty but for lock and marker.
func (d *directory) close() error { return errors.Join(d.clear(), d.lock.Close()) }

// RemoveLeftovers removes the files that a backend has left in a directory after a crash,
// and the directory itself if nothing else is in it. It returns ErrLocked if a backend
// has the directory, and ErrNotStore if the directory is not a backend's, which it leaves
// as it is, or if somebody has put other entries beside the files of the tree or of a
// restore: those entries stay.
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
		return fmt.Errorf("directory %s has nothing of a backend: %w", path, ErrNotStore)
	}
	lock, err := fsys.Lock(filepath.Join(path, lockName))
	if err != nil {
		return err
	}
	d := &directory{fsys, path, lock}
	err = c.mark(path) // which checks again: nobody else has it now
	if err == nil {
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
	err := ignoreMissing(confine.RemoveFile(d.fs, filepath.Join(d.path, marker)))
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
