package vfs

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// irregular is the error for a file of the wrong type.
type irregular struct {
	found fs.FileMode
	want  string // "file" or "directory"
}

// Error implements error.
func (e *irregular) Error() string {
	hint := ""
	if e.found&fs.ModeSymlink != 0 {
		hint = " (a copy made with cp -aL has no links)"
	}
	return fmt.Sprintf("found a %s, want a %s%s: %v", kindOf(e.found), e.want, hint, ErrNotRegular)
}

// Is makes the error an ErrNotRegular and, if a directory was found, syscall.EISDIR.
func (e *irregular) Is(target error) bool {
	return target == ErrNotRegular || target == syscall.EISDIR && e.found.IsDir()
}

// kindOf returns the name of a file type.
func kindOf(mode fs.FileMode) string {
	switch {
	case mode.IsRegular():
		return "regular file"
	case mode.IsDir():
		return "directory"
	case mode&fs.ModeSymlink != 0:
		return "symbolic link"
	case mode&fs.ModeNamedPipe != 0:
		return "named pipe"
	case mode&fs.ModeSocket != 0:
		return "socket"
	case mode&fs.ModeDevice != 0:
		return "device"
	}
	return "special file"
}

// CheckRegular returns nil for a regular file, and otherwise an ErrNotRegular that names the type
// found. For a directory, the error is syscall.EISDIR as well. It is for implementations of FS
// whose names may lead to special files.
func CheckRegular(info fs.FileInfo) error {
	if info.Mode().IsRegular() {
		return nil
	}
	return &irregular{info.Mode(), "file"}
}

// CheckDirectory returns nil for a directory, syscall.ENOTDIR for a regular file, and otherwise an
// ErrNotRegular that names the type found.
func CheckDirectory(info fs.FileInfo) error {
	switch {
	case info.IsDir():
		return nil
	case info.Mode().IsRegular():
		return syscall.ENOTDIR
	}
	return &irregular{info.Mode(), "directory"}
}

// openRegular opens a regular file. It does not open anything else, since opening a named pipe may
// block forever and opening a device may have effects. The flags and the check after opening are
// for files that are replaced between the first check and the open.
func openRegular(op, name string, flag int) (*os.File, error) {
	before, err := os.Lstat(name)
	if err == nil && !before.Mode().IsRegular() {
		return nil, &fs.PathError{Op: op, Path: name, Err: &irregular{before.Mode(), "file"}}
	}
	if err != nil && flag&os.O_CREATE == 0 {
		return nil, err
	}
	f, err := os.OpenFile(name, flag|noFollow|noBlock, fileMode)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = &fs.PathError{Op: op, Path: name, Err: &irregular{info.Mode(), "file"}}
	case noFollow == 0:
		err = checkFollowed(op, name, info)
	default:
		err = setBlocking(f)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// checkFollowed returns an error if open has followed a link, on systems without O_NOFOLLOW.
func checkFollowed(op, name string, opened fs.FileInfo) error {
	now, err := os.Lstat(name)
	if err == nil && !os.SameFile(now, opened) {
		err = &fs.PathError{Op: op, Path: name, Err: &irregular{now.Mode(), "file"}}
	}
	return err
}

// openDir opens a directory for List and SyncDir.
func openDir(op, name string) (*os.File, error) {
	info, err := os.Lstat(name)
	switch {
	case err != nil:
		return nil, err
	case info.Mode()&fs.ModeSymlink != 0:
		return nil, &fs.PathError{Op: op, Path: name, Err: &irregular{info.Mode(), "directory"}}
	case !info.IsDir():
		return nil, &fs.PathError{Op: op, Path: name, Err: syscall.ENOTDIR}
	}
	return os.OpenFile(name, os.O_RDONLY|noFollow|onlyDir, 0)
}

// refuseLink returns an error if name is a symbolic link, where a directory is required.
func refuseLink(op, name string) error {
	info, err := os.Lstat(name)
	if err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return &fs.PathError{Op: op, Path: name, Err: &irregular{info.Mode(), "directory"}}
	}
	return nil
}

// errEmptyName is the error of Resolve for "".
var errEmptyName = fmt.Errorf("the name of the directory is empty: %w", fs.ErrInvalid)
