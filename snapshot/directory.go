package snapshot

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"

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

// Create implements Target. A file is written under a name of its own that
// starts with a dot; a crash may leave it there until RemoveLeftovers.
func (d *Directory) Create(_ context.Context, name string) (File, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	final := filepath.Join(d.path, name)
	if _, err := d.fs.Stat(final); err == nil {
		return nil, fmt.Errorf("file %q: %w", name, fs.ErrExist)
	}
	temp := filepath.Join(d.path, fmt.Sprintf(".%s.%08x%s", name, rand.Uint32(), vfs.TempSuffix))
	file, err := d.fs.Create(temp)
	if err != nil {
		return nil, err
	}
	return &directoryFile{
		Writer: bufio.NewWriterSize(file, writeBytes), file: file, dir: d, temp: temp, final: final,
	}, nil
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

// writeBytes is what goes to the file at a time: a key group of a small state is
// a block of a few hundred bytes.
const writeBytes = 64 << 10

// RemoveLeftovers removes the files that a crash left unfinished. Nobody else may
// be writing to the directory.
func (d *Directory) RemoveLeftovers() error {
	names, err := d.fs.List(d.path)
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasPrefix(name, ".") && strings.HasSuffix(name, vfs.TempSuffix) {
			err = errors.Join(err, d.fs.Remove(filepath.Join(d.path, name)))
		}
	}
	return err
}

// directoryFile is a file under its temporary name.
type directoryFile struct {
	*bufio.Writer
	file        vfs.File
	dir         *Directory
	temp, final string
	ended       bool
}

// Commit implements File. The second name is made by a link, which fails if
// the name exists, as a rename would not.
func (f *directoryFile) Commit() error {
	if f.ended {
		return fs.ErrClosed
	}
	if err := f.Flush(); err != nil {
		return err
	}
	if err := f.file.Sync(); err != nil {
		return err
	}
	fsys := f.dir.fs
	if err := fsys.Link(f.temp, f.final); err != nil {
		return err
	}
	if err := fsys.SyncDir(f.dir.path); err != nil {
		return errors.Join(err, fsys.Remove(f.final))
	}
	f.ended = true
	// The file is committed. What is left of the temporary one does no harm.
	_ = f.file.Close()
	_ = fsys.Remove(f.temp)
	return nil
}

// Abort implements File.
func (f *directoryFile) Abort() error {
	if f.ended {
		return nil
	}
	f.ended = true
	return errors.Join(f.file.Close(), f.dir.fs.Remove(f.temp))
}
