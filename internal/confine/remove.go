package confine

import (
	"io/fs"

	"github.com/weirstate/weir/vfs"
)

// RemoveFile removes a regular file. Anything else under the name, a symbolic link
// included, is vfs.ErrNotRegular and stays.
func RemoveFile(fsys vfs.FS, name string) error { return removeFile(fsys, name, 0) }

// RemoveFileOrLink is RemoveFile but for a symbolic link, which it removes itself.
func RemoveFileOrLink(fsys vfs.FS, name string) error { return removeFile(fsys, name, fs.ModeSymlink) }

// removeFile removes a regular file, or what has the other type.
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
