package directory

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/weirstate/weir/internal/confine"
	"github.com/weirstate/weir/internal/durable"
	"github.com/weirstate/weir/sstable"
	"github.com/weirstate/weir/vfs"
)

// ErrNotStore is returned for a directory that holds files but no store.
var ErrNotStore = errors.New("not a store")

// Directory is the directory of a store.
//
// Thread safety: safe for concurrent use after Lock.
type Directory struct {
	FS   vfs.FS   // file system of the directory
	Path string   // absolute and without links after Resolve
	lock vfs.Lock // nil before Lock
}

// New returns the directory at a path that need not exist yet.
func New(fsys vfs.FS, path string) *Directory { return &Directory{FS: fsys, Path: path} }

// Resolve replaces the path by an absolute one without symbolic links, so that a later change
// of the working directory or of a link has no effect.
func (d *Directory) Resolve() (err error) {
	d.Path, err = d.FS.Resolve(d.Path)
	return err
}

// Lock creates the directory if it is missing, and locks it. It creates nothing, not even the
// lock file, in a directory that holds other files but no store: the error is ErrNotStore.
func (d *Directory) Lock() (err error) {
	names, err := d.List()
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case slices.Contains(names, CurrentName) || slices.Contains(names, LockName):
	default:
		if err := CheckEmpty(d.Path, names); errors.Is(err, ErrNotStore) {
			return err
		}
	}
	if err := durable.MkdirAll(d.FS, d.Path); err != nil {
		return err
	}
	d.lock, err = d.FS.Lock(d.Join(LockName))
	return err
}

// IsLocked reports whether Lock has succeeded.
func (d *Directory) IsLocked() bool { return d.lock != nil }

// Check returns vfs.ErrLockLost if this process no longer holds the lock. Call it before a
// file is created, published or removed.
func (d *Directory) Check() error { return d.lock.Check() }

// Close releases the lock.
func (d *Directory) Close() error { return d.lock.Close() }

// Join returns the path of a file in the directory.
func (d *Directory) Join(name string) string { return filepath.Join(d.Path, name) }

// List returns the names of all entries.
func (d *Directory) List() ([]string, error) { return d.FS.List(d.Path) }

// Sync makes the names of all files durable.
func (d *Directory) Sync() error { return d.FS.SyncDir(d.Path) }

// Remove removes a file that the store does not need. A missing file is no error. It checks
// the lock first, because after the lock is lost the file may belong to another process. It
// removes regular files only.
func (d *Directory) Remove(name string) error {
	if err := d.Check(); err != nil {
		return err
	}
	return IgnoreMissing(confine.RemoveFile(d.FS, d.Join(name)))
}

// RemoveAll removes those of the listed files for which remove returns true. Errors go to
// report.
func (d *Directory) RemoveAll(names []string, remove func(Kind, string) bool, report func(error)) {
	for _, name := range names {
		if remove(KindOf(name), name) {
			if err := d.Remove(name); err != nil {
				report(err)
			}
		}
	}
}

// IsMissing reports whether the directory certainly has no file of that name; false if that
// cannot be determined.
func (d *Directory) IsMissing(name string) bool {
	_, err := d.FS.Lstat(d.Join(name))
	return errors.Is(err, fs.ErrNotExist)
}

// FileBytes returns the size of a file, 0 if it cannot be determined.
func (d *Directory) FileBytes(name string) int64 {
	info, err := d.FS.Lstat(d.Join(name))
	if err != nil {
		return 0
	}
	return info.Size()
}

// CheckEmpty returns an error if a store may not be created in a directory that has these
// files and no CURRENT. Files of a creation that was interrupted are allowed: manifests, but
// no table or log.
func CheckEmpty(dir string, names []string) error {
	var lost string
	for _, name := range names {
		switch KindOf(name) {
		case ManifestFile, LockFile, CurrentTemp:
		case TableFile, LogFile, LostFile:
			lost = name
		default:
			return NotOfStore(dir, name)
		}
	}
	if lost != "" {
		return fmt.Errorf("directory %s has %s and no %s: %w", dir, lost, CurrentName, sstable.ErrCorrupt)
	}
	return nil
}

// NotOfStore returns the error for a directory entry that no store creates.
func NotOfStore(dir, name string) error {
	return fmt.Errorf("directory %s has an entry %s that no store creates; move it, or use another directory: %w",
		dir, name, ErrNotStore)
}

// Missing wraps an error in sstable.ErrCorrupt if it says that a file is missing or not
// regular. Use it for files that must exist.
func Missing(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, vfs.ErrNotRegular) {
		return fmt.Errorf("%w: %w", sstable.ErrCorrupt, err)
	}
	return err
}

// IgnoreMissing returns nil for an error that says that a file is missing.
func IgnoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
