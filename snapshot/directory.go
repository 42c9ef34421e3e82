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

// Directory is a Target and a Source that keeps files in a directory. The file system must
// have hard links. The path of the directory is resolved once, when the directory is opened:
// later changes of symbolic links in the path, or of the working directory, have no effect.
// Directory neither follows symbolic links in the directory nor opens anything but regular
// files; it returns ErrNotRegular for them.
//
// Thread safety: safe for concurrent use.
type Directory struct {
	fs   vfs.FS
	path string // absolute, without symbolic links
}

// NewDirectory returns a Directory at path. It makes the directory if it does not exist.
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

// Create implements Target. A crash may leave an unfinished file under a temporary name, which
// RemoveLeftovers removes.
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

// Remove removes a file, or a symbolic link itself. Anything else stays, and Remove returns
// ErrNotRegular.
func (d *Directory) Remove(name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	return confine.RemoveFileOrLink(d.fs, filepath.Join(d.path, name))
}

// List returns all names that a file may have, sorted. Entries that are not regular files are
// among them; Open returns ErrNotRegular for those.
func (d *Directory) List() ([]string, error) {
	names, err := d.fs.List(d.path)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(names, func(name string) bool { return CheckName(name) != nil }), nil
}

// RemoveLeftovers removes the unfinished files of crashed processes. No other process may write
// to the directory. An entry that has the name of an unfinished file and is not a regular file
// stays, and RemoveLeftovers returns ErrNotRegular.
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
		return fmt.Errorf("leftover %q was not removed: %w", path, err)
	}
	return d.fs.Remove(path)
}
