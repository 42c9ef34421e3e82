package lsmstate

import (
	"errors"
	"io"
	"path/filepath"

	"github.com/weirstate/weir/internal/vfs"
)

// Names in the directory of a backend. Nothing else in it is touched.
const (
	lockName  = "LOCK"
	treeName  = "tree"
	stageName = "restore" // files of a restore under way
)

// directory is where a backend has its tree, and nobody else.
type directory struct {
	fs   vfs.FS
	path string
	lock io.Closer
}

// openDirectory takes a directory. A tree in it was left by a crash.
func openDirectory(fs vfs.FS, path string) (*directory, error) {
	if err := fs.MkdirAll(path); err != nil {
		return nil, err
	}
	lock, err := fs.Lock(filepath.Join(path, lockName))
	if err != nil {
		return nil, err
	}
	d := &directory{fs, path, lock}
	if err := d.clear(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return d, nil
}

// tree is the directory of the tree.
func (d *directory) tree() string { return filepath.Join(d.path, treeName) }

// stage is where a restore collects its files.
func (d *directory) stage() string { return filepath.Join(d.path, stageName) }

// clear removes all that is of the backend; the tree must be closed.
func (d *directory) clear() error {
	return errors.Join(d.fs.RemoveAll(d.tree()), d.fs.RemoveAll(d.stage()))
}

// close gives the directory back, empty.
func (d *directory) close() error { return errors.Join(d.clear(), d.lock.Close()) }
