package snapshot

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/weirstate/weir/internal/confine"
	"github.com/weirstate/weir/internal/durable"
	"github.com/weirstate/weir/vfs"
)

// Directory is a Target and a Source in a directory of a file system, which must
// have hard links. Links in the path of the directory, and the working directory,
// are evaluated once, when it is opened. In it nothing is followed or read that is
// not a regular file: that is ErrNotRegular.
//
// Thread safety: safe for concurrent use.
type Directory struct {
	fs   vfs.FS
	path string // absolute, and without links
}

// NewDirectory makes a directory, if there is none, and uses it.
func NewDirectory(path string) (*Directory, error) { return DirectoryOn(vfs.Real{}, path) }

// DirectoryOn is NewDirectory on another file system.
func DirectoryOn(fsys vfs.FS, path string) (*Directory, error) {
	root, err := fsys.Resolve(path)
	if err == nil {
		err = durable.MkdirAll(fsys, root)
	}
	if err != nil {
		return nil, fmt.Errorf("snapshot directory: %w", err)
	}
	return &Directory{fsys, root}, nil
}

// Create implements Target. A file is a durable.Draft; a crash may leave it there
// until RemoveLeftovers.
func (d *Directory) Create(ctx context.Context, name string) (File, error) {
	if err := errors.Join(context.Cause(ctx), CheckName(name)); err != nil {
		return nil, err
	}
	f, err := durable.NewDraft(d.fs, filepath.Join(d.path, name))
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Open implements Source.
func (d *Directory) Open(ctx context.Context, name string) (Object, error) {
	if err := errors.Join(context.Cause(ctx), CheckName(name)); err != nil {
		return nil, err
	}
	return d.fs.Open(filepath.Join(d.path, name))
}

// Remove removes a file. Of a symbolic link it removes the link itself; anything else
// is ErrNotRegular and stays.
func (d *Directory) Remove(name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	return confine.RemoveFileOrLink(d.fs, filepath.Join(d.path, name))
}

// List returns the names of all files, sorted. Other things that have the name of a
// file are among them; Open says what they are.
func (d *Directory) List() ([]string, error) {
	names, err := d.fs.List(d.path)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(names, func(name string) bool { return CheckName(name) != nil }), nil
}

// RemoveLeftovers removes the files that a crash left unfinished. Nobody else may
// be writing to the directory. What has such a name and is no file stays, and is
// ErrNotRegular.
func (d *Directory) RemoveLeftovers() error {
	names, err := d.fs.List(d.path)
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, ok := durable.DraftOf(name); ok {
			err = errors.Join(err, d.removeLeftover(filepath.Join(d.path, name)))
		}
	}
	return err
}

func (d *Directory) removeLeftover(path string) error {
	info, err := d.fs.Lstat(path)
	if err != nil {
		return err
	}
	if err := vfs.CheckRegular(info); err != nil {
		return fmt.Errorf("leftover %q is kept: %w", path, err)
	}
	return d.fs.Remove(path)
}
