package confine

import (
	"io/fs"

	"github.com/weirstate/weir/vfs"
)

// RemoveFile removes a regular file. If the name leads to anything else, also a symbolic link, it
// fails with vfs.ErrNotRegular and removes nothing.
func RemoveFile(fsys vfs.FS, name string) error { return removeFile(fsys, name, 0) }

// RemoveFileOrLink is RemoveFile, but also removes a symbolic link, without its target.
func RemoveFileOrLink(fsys vfs.FS, name string) error { return removeFile(fsys, name, fs.ModeSymlink) }

// removeFile removes a regular file, or a file of the other type.
func removeFile(fsys vfs.FS, name string, other fs.FileMode) error {
	info, err := fsys.Lstat(name)
	if err == nil && !info.Mode().IsRegular() && info.Mode().Type() != other {
		err = &fs.PathError{Op: "remove", Path: name, Err: vfs.CheckRegular(info)}
	}
	if err != nil {
		return err
	}
	return fsys.Remove(name)
}
