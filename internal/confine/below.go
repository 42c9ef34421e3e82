// Package confine keeps file operations inside a directory. Below follows no symbolic link on the
// way to a name, and RemoveFile removes nothing that Weir cannot have created. The package does not
// know which files a directory has.
package confine

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/weirstate/weir/vfs"
)

// Below is a file system that follows no symbolic link below a directory.
//
// Problem: somebody may have replaced a directory of a store by a link, for example after moving it
// to a larger disk, or by accident. A store that follows the link would create and remove files
// outside its directory.
//
// Idea: an FS never follows the last element of a name. Below also checks the directories before
// it, from the name up to Root:
//
//	Root   = /data/state
//	name   = /data/state/checkpoints/7/meta
//	                     ----------- -        checked: each must be a directory, not a link
//	         -----------                      Root is checked too; names above it are not
//	                                   ----   checked by the FS
//
// A link or special file on the way is vfs.ErrNotRegular; a regular file is syscall.ENOTDIR. Names
// outside of Root are not checked.
//
// Invariant: no operation through Below has an effect outside of Root by a link that existed
// before the operation began.
//
// The check is a step before the operation, not part of it. So Below protects against accidents and
// existing links, not against an attacker who replaces a directory by a link at that moment.
//
// Cost: one Lstat for each directory between Root and the name.
//
// Thread safety: all methods may be called concurrently.
type Below struct {
	vfs.FS
	Root string // a result of Resolve, cleaned
}

// check returns an error if a directory between the root and a name is a link or a special file.
func (b Below) check(op, name string) error {
	if !strings.HasPrefix(name, strings.TrimSuffix(b.Root, string(filepath.Separator))+string(filepath.Separator)) {
		return nil
	}
	for dir := filepath.Dir(name); ; dir = filepath.Dir(dir) {
		info, err := b.FS.Lstat(dir)
		switch {
		case err == nil && !info.IsDir() && !info.Mode().IsRegular(): // the operation itself fails with ENOTDIR for a regular file
			return &fs.PathError{Op: op, Path: dir, Err: vfs.CheckDirectory(info)}
		case err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR):
			return err
		case dir == b.Root:
			return nil
		}
	}
}

// Create implements FS.
func (b Below) Create(name string) (vfs.File, error) {
	if err := b.check("create", name); err != nil {
		return nil, err
	}
	return b.FS.Create(name)
}

// Open implements FS.
func (b Below) Open(name string) (vfs.File, error) {
	if err := b.check("open", name); err != nil {
		return nil, err
	}
	return b.FS.Open(name)
}

// Remove implements FS.
func (b Below) Remove(name string) error {
	if err := b.check("remove", name); err != nil {
		return err
	}
	return b.FS.Remove(name)
}

// RemoveAll implements FS.
func (b Below) RemoveAll(name string) error {
	if err := b.check("removeall", name); err != nil {
		return err
	}
	return b.FS.RemoveAll(name)
}

// Rename implements FS.
func (b Below) Rename(oldName, newName string) error {
	if err := b.checkBoth("rename", oldName, newName); err != nil {
		return err
	}
	return b.FS.Rename(oldName, newName)
}

// Link implements FS.
func (b Below) Link(oldName, newName string) error {
	if err := b.checkBoth("link", oldName, newName); err != nil {
		return err
	}
	return b.FS.Link(oldName, newName)
}

func (b Below) checkBoth(op, oldName, newName string) error {
	if err := b.check(op, oldName); err != nil {
		return err
	}
	return b.check(op, newName)
}

// MkdirAll implements FS.
func (b Below) MkdirAll(dir string) error {
	if err := b.check("mkdir", dir); err != nil {
		return err
	}
	return b.FS.MkdirAll(dir)
}

// List implements FS.
func (b Below) List(dir string) ([]string, error) {
	if err := b.check("list", dir); err != nil {
		return nil, err
	}
	return b.FS.List(dir)
}

// Stat implements FS. It does not follow a link in the last element.
func (b Below) Stat(name string) (fs.FileInfo, error) { return b.Lstat(name) }

// Lstat implements FS.
func (b Below) Lstat(name string) (fs.FileInfo, error) {
	if err := b.check("lstat", name); err != nil {
		return nil, err
	}
	return b.FS.Lstat(name)
}

// SyncDir implements FS.
func (b Below) SyncDir(dir string) error {
	if err := b.check("syncdir", dir); err != nil {
		return err
	}
	return b.FS.SyncDir(dir)
}

// Lock implements FS.
func (b Below) Lock(name string) (vfs.Lock, error) {
	if err := b.check("lock", name); err != nil {
		return nil, err
	}
	return b.FS.Lock(name)
}
