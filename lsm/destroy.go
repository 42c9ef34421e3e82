package lsm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/weirstate/weir/internal/confine"
	"github.com/weirstate/weir/lsm/internal/directory"
	"github.com/weirstate/weir/lsm/internal/manifest"
	"github.com/weirstate/weir/vfs"
)

// Destroy removes a closed store: all files of the store, and then the directory. It returns
// ErrLocked if the store is open, and nil if the directory is missing. If the directory has
// other entries, Destroy leaves them and the directory in place, and returns ErrNotStore, or
// ErrNotRegular for an entry that has the name of a store's file but is not a regular file.
// Destroy uses only Options.FS. It resolves symbolic links in dir once, and returns an error if dir is
// a symbolic link itself, or empty.
func Destroy(dir string, options Options) error {
	if err := destroy(options.fileSystem(), dir); err != nil {
		return fmt.Errorf("destroy store: %w", err)
	}
	return nil
}

// destroy locks the store, removes its files, then the lock and the directory.
func destroy(fsys vfs.FS, name string) error {
	dir, err := fsys.Resolve(name)
	var info fs.FileInfo
	if err == nil {
		info, err = fsys.Lstat(name)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	if err := vfs.CheckDirectory(info); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	lock, err := fsys.Lock(filepath.Join(dir, directory.LockName))
	if err != nil {
		return err
	}
	err = removeFiles(fsys, dir)
	unremoved := fsys.Remove(filepath.Join(dir, directory.LockName)) // some systems cannot remove a locked file
	err = errors.Join(err, lock.Close())
	if unremoved != nil {
		err = errors.Join(err, directory.IgnoreMissing(fsys.Remove(filepath.Join(dir, directory.LockName))))
	}
	if err != nil {
		return err
	}
	return directory.IgnoreMissing(fsys.Remove(dir))
}

// removeFiles removes the files of a store, except its lock.
func removeFiles(fsys vfs.FS, dir string) error {
	names, err := fsys.List(dir)
	if err != nil {
		return err
	}
	var failed error
	for _, name := range names {
		switch directory.KindOf(name) {
		case directory.LockFile:
		case directory.OtherFile:
			failed = cmp.Or(failed, directory.NotOfStore(dir, name))
		default:
			failed = errors.Join(failed, directory.IgnoreMissing(confine.RemoveFile(fsys, filepath.Join(dir, name))))
		}
	}
	return failed
}

// SplitOf returns the name of the split function that the store in a directory was created
// with: see Options.Split. It takes no lock and changes nothing. It returns ErrNotStore if the
// directory has no store, or has a file that does not belong to a store. It uses only
// Options.FS. It resolves symbolic links in dir once.
func SplitOf(ctx context.Context, dir string, options Options) (string, error) {
	if err := checkContext(ctx); err != nil {
		return "", fmt.Errorf("split of store: %w", err)
	}
	split, err := splitIn(ctx, options.fileSystem(), dir)
	if err != nil {
		return "", fmt.Errorf("split of store: %w", err)
	}
	return split, nil
}

// splitIn checks every name in the directory, then reads the split from the manifest.
func splitIn(ctx context.Context, fsys vfs.FS, name string) (string, error) {
	dir, err := fsys.Resolve(name)
	if err != nil {
		return "", err
	}
	names, err := fsys.List(dir)
	if err != nil {
		return "", err
	}
	for _, name := range names {
		if directory.KindOf(name) == directory.OtherFile {
			return "", directory.NotOfStore(dir, name)
		}
		info, err := fsys.Lstat(filepath.Join(dir, name))
		if err == nil {
			err = vfs.CheckRegular(info)
		}
		if err != nil {
			return "", fmt.Errorf("%s: %w", filepath.Join(dir, name), err)
		}
	}
	c, _, err := manifest.Read(ctx, fsys, dir)
	switch {
	case err != nil:
		return "", err
	case c == nil:
		return "", fmt.Errorf("directory %s has no %s: %w", dir, directory.CurrentName, ErrNotStore)
	}
	return c.Split, nil
}

// fileSystem returns the file system of the options, or the default.
func (o *Options) fileSystem() vfs.FS {
	if o.FS == nil {
		return vfs.Real{}
	}
	return o.FS
}
