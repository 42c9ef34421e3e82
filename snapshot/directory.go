package snapshot

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/weirstate/weir/internal/vfs"
)

// Directory is a Target and a Source in a directory of a file system, which must
// have hard links.
//
// Thread safety: safe for concurrent use.
type Directory struct {
	fs   vfs.FS
	path string
}

// NewDirectory makes a directory, if there is none, and uses it.
func NewDirectory(path string) (*Directory, error) { return DirectoryOn(vfs.Real{}, path) }

// DirectoryOn is NewDirectory on another file system.
func DirectoryOn(fsys vfs.FS, path string) (*Directory, error) {
	if err := vfs.MkdirAllSync(fsys, path); err != nil {
		return nil, fmt.Errorf("snapshot directory: %w", err)
	}
	return &Directory{fsys, path}, nil
}

// Create implements Target. A file is a vfs.Draft; a crash may leave it there
// until RemoveLeftovers.
func (d *Directory) Create(_ context.Context, name string) (File, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	f, err := vfs.NewDraft(d.fs, filepath.Join(d.path, name))
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Open implements Source.
func (d *Directory) Open(_ context.Context, name string) (Object, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	return d.fs.Open(filepath.Join(d.path, name))
}

// Remove removes a file.
func (d *Directory) Remove(name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	return d.fs.Remove(filepath.Join(d.path, name))
}

// List is the names of all files, sorted.
func (d *Directory) List() ([]string, error) {
	names, err := d.fs.List(d.path)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(names, func(name string) bool { return CheckName(name) != nil }), nil
}

// RemoveLeftovers removes the files that a crash left unfinished. Nobody else may
// be writing to the directory.
func (d *Directory) RemoveLeftovers() error {
	names, err := d.fs.List(d.path)
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, ok := vfs.DraftOf(name); ok {
			err = errors.Join(err, d.fs.Remove(filepath.Join(d.path, name)))
		}
	}
	return err
}
