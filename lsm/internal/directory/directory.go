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

// ErrNotStore is returned for a directory that has files but no store.
var ErrNotStore = errors.New("not a store")

// Directory is the directory of a store.
//
// Thread safety: safe for concurrent use once it is locked.
type Directory struct {
	FS   vfs.FS
	Path string
	lock vfs.Lock // nil until Lock
}

// New returns a directory by the name that the caller has for it.
func New(fsys vfs.FS, path string) *Directory { return &Directory{FS: fsys, Path: path} }

// Resolve makes the path independent of links and of the working directory.
func (d *Directory) Resolve() (err error) {
	d.Path, err = d.FS.Resolve(d.Path)
	return err
}

// Lock makes the directory if it is missing, and locks it. A directory that cannot be a
// store's is left as it is: not even a lock is made there.
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

// Check returns vfs.ErrLockLost if the lock is not this owner's any more. It is called
// before a file is made, published or removed.
func (d *Directory) Check() error { return d.lock.Check() }

// Close releases the lock.
func (d *Directory) Close() error { return d.lock.Close() }

// Join returns the path of a file of the directory.
func (d *Directory) Join(name string) string { return filepath.Join(d.Path, name) }

// List returns the names of all files.
func (d *Directory) List() ([]string, error) { return d.FS.List(d.Path) }

// Sync makes the names of the files durable.
func (d *Directory) Sync() error { return d.FS.SyncDir(d.Path) }

// Remove removes a file of the store that it does not need, if it is there. After
// the lock was lost it may be another owner's. A store makes regular files only, and
// nothing else is removed.
func (d *Directory) Remove(name string) error {
	if err := d.Check(); err != nil {
		return err
	}
	return IgnoreMissing(confine.RemoveFile(d.FS, d.Join(name)))
}

// RemoveAll removes the files, of those that were listed, that a function tells.
func (d *Directory) RemoveAll(names []string, remove func(Kind, string) bool, report func(error)) {
	for _, name := range names {
		if remove(KindOf(name), name) {
			if err := d.Remove(name); err != nil {
				report(err)
			}
		}
	}
}

// IsMissing reports whether it is known that the directory has no file of a name.
func (d *Directory) IsMissing(name string) bool {
	_, err := d.FS.Lstat(d.Join(name))
	return errors.Is(err, fs.ErrNotExist)
}

// FileBytes returns the size of a file, 0 if it cannot be told.
func (d *Directory) FileBytes(name string) int64 {
	info, err := d.FS.Lstat(d.Join(name))
	if err != nil {
		return 0
	}
	return info.Size()
}

// CheckEmpty reports why no store may be made in a directory without CURRENT that has
// these files. Making one may have been cut off before: then there are manifests, and no
// table or log.
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

// NotOfStore returns the error for an entry that no store makes.
func NotOfStore(dir, name string) error {
	return fmt.Errorf("directory %s has an entry %s that no store makes; move it, or use another directory: %w",
		dir, name, ErrNotStore)
}

// Missing makes the absence of a file that must be there, and a file that is not regular,
// corruption.
func Missing(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, vfs.ErrNotRegular) {
		return fmt.Errorf("%w: %w", sstable.ErrCorrupt, err)
	}
	return err
}

// IgnoreMissing drops the error of removing a file that is gone already.
func IgnoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
