package vfstest

import (
	"errors"
	"io"
	"io/fs"
	"syscall"

	"github.com/weirstate/weir/vfs"
)

// memFile is an open file of a Mem. The mutex of the Mem guards posBytes, closed and the file.
type memFile struct {
	m        *Mem
	f        *file
	name     string
	writable bool
	posBytes int // position of Read
	closed   bool
}

var _ vfs.File = (*memFile)(nil)

func (m *Mem) handle(f *file, name string, writable bool) *memFile {
	f.handles++
	return &memFile{m: m, f: f, name: name, writable: writable}
}

func (h *memFile) error(op string, err error) error {
	return &fs.PathError{Op: op, Path: h.name, Err: err}
}

// Read implements File.
func (h *memFile) Read(p []byte) (int, error) {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	if h.closed {
		return 0, h.error("read", fs.ErrClosed)
	}
	n := copy(p, h.f.data[h.posBytes:])
	h.posBytes += n
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// ReadAt implements File.
func (h *memFile) ReadAt(p []byte, offset int64) (int, error) {
	h.m.mu.RLock()
	defer h.m.mu.RUnlock()
	if h.closed {
		return 0, h.error("readat", fs.ErrClosed)
	}
	if offset < 0 {
		return 0, h.error("readat", errors.New("negative offset"))
	}
	n := 0
	if offset < int64(len(h.f.data)) {
		n = copy(p, h.f.data[offset:])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Write implements File.
func (h *memFile) Write(p []byte) (int, error) {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	if h.closed {
		return 0, h.error("write", fs.ErrClosed)
	}
	if !h.writable {
		return 0, h.error("write", syscall.EBADF)
	}
	free := max(0, h.m.maxBytes-h.m.usedBytes)
	n := int(min(int64(len(p)), free))
	h.f.data = append(h.f.data, p[:n]...)
	h.m.usedBytes += int64(n)
	h.posBytes = len(h.f.data)
	if n < len(p) {
		return n, h.error("write", syscall.ENOSPC)
	}
	return n, nil
}

// Sync implements File.
func (h *memFile) Sync() error {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	if h.closed {
		return h.error("sync", fs.ErrClosed)
	}
	h.f.sync()
	return nil
}

// dropUnsynced implements unsyncedDropper.
func (h *memFile) dropUnsynced() {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	if !h.closed {
		h.f.dropUnsynced()
	}
}

// Size implements File.
func (h *memFile) Size() (int64, error) {
	h.m.mu.RLock()
	defer h.m.mu.RUnlock()
	if h.closed {
		return 0, h.error("size", fs.ErrClosed)
	}
	return int64(len(h.f.data)), nil
}

// Close implements File.
func (h *memFile) Close() error {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	if h.closed {
		return h.error("close", fs.ErrClosed)
	}
	h.closed = true
	h.f.handles--
	h.m.free(h.f)
	return nil
}

// memLock is a lock held on a directory of a Mem.
type memLock struct {
	m    *Mem
	d    *dir  // the locked directory
	f    *file // the file that represents the lock
	name string
	done bool // guarded by m.mu
}

// Check implements Lock.
func (l *memLock) Check() error {
	l.m.mu.RLock()
	defer l.m.mu.RUnlock()
	if n, err := l.m.find(l.name); err == nil && n == l.f || err != nil && err != fs.ErrNotExist {
		return nil
	}
	return &fs.PathError{Op: "lock", Path: l.name, Err: vfs.ErrLockLost}
}

// Close implements Lock.
func (l *memLock) Close() error {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	if !l.done {
		l.done = true
		delete(l.m.locked, l.d)
	}
	return nil
}
