package vfs

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// irregular is the error of something else where a file or a directory belongs.
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
	return fmt.Sprintf("it is a %s where a %s belongs%s: %v", kindOf(e.found), e.want, hint, ErrNotRegular)
}

// Is makes it an ErrNotRegular, and syscall.EISDIR for a directory.
func (e *irregular) Is(target error) bool {
	return target == ErrNotRegular || target == syscall.EISDIR && e.found.IsDir()
}

// kindOf names what a mode is of.
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

// CheckRegular returns nil for a regular file, and otherwise an error that names what
// was found. It is ErrNotRegular, and for a directory syscall.EISDIR as well. It is
// what an FS whose names may lead to special files makes its errors with.
func CheckRegular(info fs.FileInfo) error {
	if info.Mode().IsRegular() {
		return nil
	}
	return &irregular{info.Mode(), "file"}
}

// CheckDirectory returns nil for a directory, syscall.ENOTDIR for a regular file, and
// an ErrNotRegular that names what was found for anything else.
func CheckDirectory(info fs.FileInfo) error {
	switch {
	case info.IsDir():
		return nil
	case info.Mode().IsRegular():
		return syscall.ENOTDIR
	}
	return &irregular{info.Mode(), "directory"}
}

// openRegular opens a regular file. Anything else is not even opened: opening a
// named pipe may wait for ever, and opening a device may do something. The flags
// and the second look are for what takes the file's place in between.
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

// checkFollowed finds a link that was followed, on systems that cannot be told
// not to.
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

// refuseLink returns an error for a symbolic link where a directory belongs.
func refuseLink(op, name string) error {
	info, err := os.Lstat(name)
	if err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return &fs.PathError{Op: op, Path: name, Err: &irregular{info.Mode(), "directory"}}
	}
	return nil
}

// errEmptyName is the error of Resolve for "".
var errEmptyName = fmt.Errorf("the name of the directory is empty: %w", fs.ErrInvalid)
