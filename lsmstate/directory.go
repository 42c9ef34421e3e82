package lsmstate

import (
	"errors"
	"io"
	"path/filepath"

	"github.com/weirstate/weir/internal/vfs"
)

// Names in the directory of a backend. Nothing else in it is touched.
const (
	lockName = "LOCK"
	treeName = "tree"
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
	if err := fs.RemoveAll(d.tree()); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return d, nil
}

// tree is the directory of the tree.
func (d *directory) tree() string { return filepath.Join(d.path, treeName) }

// close removes the tree, which must be closed.
func (d *directory) close() error {
	return errors.Join(d.fs.RemoveAll(d.tree()), d.lock.Close())
}
