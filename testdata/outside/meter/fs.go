// Package meter is a file system that counts the bytes that pass through it.
package meter

import (
	"sync/atomic"

	"github.com/weirstate/weir/vfs"
)

// FS is a file system that counts the bytes of another one.
//
// Thread safety: safe for concurrent use, as vfs.FS demands.
type FS struct {
	vfs.FS
	ReadBytes, WrittenBytes atomic.Int64 // bytes passed to callers and from callers
	Syncs                   atomic.Int64 // calls of File.Sync
}

// New returns a file system that counts the bytes of fsys.
func New(fsys vfs.FS) *FS { return &FS{FS: fsys} }

// Create implements vfs.FS.
func (m *FS) Create(name string) (vfs.File, error) { return m.count(m.FS.Create(name)) }

// Open implements vfs.FS.
func (m *FS) Open(name string) (vfs.File, error) { return m.count(m.FS.Open(name)) }

func (m *FS) count(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return &file{f, m}, nil
}

// file counts the bytes of an open file.
type file struct {
	vfs.File
	meter *FS
}

// Read implements vfs.File.
func (f *file) Read(p []byte) (int, error) {
	n, err := f.File.Read(p)
	f.meter.ReadBytes.Add(int64(n))
	return n, err
}

// ReadAt implements vfs.File.
func (f *file) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(p, off)
	f.meter.ReadBytes.Add(int64(n))
	return n, err
}

// Write implements vfs.File.
func (f *file) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	f.meter.WrittenBytes.Add(int64(n))
	return n, err
}

// Sync implements vfs.File.
func (f *file) Sync() error {
	f.meter.Syncs.Add(1)
	return f.File.Sync()
}
