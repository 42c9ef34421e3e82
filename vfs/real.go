package vfs

import (
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"syscall"
)

// Real is the file system of the operating system.
//
// Thread safety: all methods may be called concurrently.
type Real struct{}

var _ FS = Real{}

// Create implements FS. It does not open with O_APPEND, because copy_file_range refuses that flag
// and io.Copy would be slower; no other handle writes to the file, so writes append anyway.
func (Real) Create(name string) (File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return nil, err
	}
	return &realFile{f}, nil
}

// Open implements FS.
func (Real) Open(name string) (File, error) {
	f, err := openRegular("open", name, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	return &openedFile{realFile{f}}, nil
}

// Remove implements FS.
func (Real) Remove(name string) error { return os.Remove(name) }

// RemoveAll implements FS.
func (Real) RemoveAll(name string) error { return os.RemoveAll(name) }

// Rename implements FS. os.Rename already refuses a directory as the new name.
func (Real) Rename(oldName, newName string) error {
	info, err := os.Lstat(oldName)
	if err == nil && info.IsDir() {
		return &os.LinkError{Op: "rename", Old: oldName, New: newName, Err: syscall.EISDIR}
	}
	return os.Rename(oldName, newName)
}

// Link implements FS.
func (Real) Link(oldName, newName string) error {
	if info, err := os.Lstat(oldName); err == nil && !info.Mode().IsRegular() {
		return &os.LinkError{Op: "link", Old: oldName, New: newName, Err: &irregular{info.Mode(), "file"}}
	}
	return os.Link(oldName, newName)
}

// MkdirAll implements FS.
func (Real) MkdirAll(dir string) error {
	if err := refuseLink("mkdir", dir); err != nil {
		return err
	}
	return os.MkdirAll(dir, dirMode)
}

// List implements FS.
func (Real) List(dir string) ([]string, error) {
	d, err := openDir("list", dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	slices.Sort(names)
	return names, err
}

// Stat implements FS.
func (Real) Stat(name string) (fs.FileInfo, error) { return os.Stat(name) }

// Lstat implements FS.
func (Real) Lstat(name string) (fs.FileInfo, error) { return os.Lstat(name) }

// SyncDir implements FS.
func (Real) SyncDir(dir string) error {
	d, err := openDir("syncdir", dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if runtime.GOOS == "windows" { // directory handles cannot be flushed on Windows
		return nil
	}
	if err := d.Sync(); err != nil {
		return &fs.PathError{Op: "syncdir", Path: dir, Err: fmt.Errorf("%w: %w", ErrUnsynced, err)}
	}
	return nil
}

// FreeBytes implements FS.
func (Real) FreeBytes(dir string) (int64, error) {
	free, err := freeBytes(dir)
	if err != nil {
		return 0, &fs.PathError{Op: "free", Path: dir, Err: err}
	}
	return free, nil
}

// Lock implements FS.
func (Real) Lock(name string) (Lock, error) { return lockReal(name) }

// realFile implements File by an *os.File.
type realFile struct{ *os.File }

// Size implements File.
func (f *realFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// openedFile is a realFile opened for reading. Only this type implements HoleFinder, because
// NextData moves the position of the file, where a written file appends.
type openedFile struct{ realFile }

// NextData implements HoleFinder.
func (f *openedFile) NextData(at, sizeBytes int64) int64 { return seekData(f.File, at, sizeBytes) }
