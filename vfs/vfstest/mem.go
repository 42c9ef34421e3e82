package vfstest

import (
	"io/fs"
	"maps"
	"math"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"github.com/weirstate/weir/vfs"
)

// MemOptions configure a Mem. The zero value is a disk without limit.
type MemOptions struct {
	// MaxBytes is the size of the disk: the sum of the lengths of all files that have a name or an
	// open handle. A write beyond it stores the bytes that fit, and fails with syscall.ENOSPC.
	// Names take no space. Default 0: no limit.
	MaxBytes int64
}

// Mem is a file system in memory that knows which of its content would survive a power cut. The
// package comment has the rules; CrashClone returns the state after a power cut. Names are relative
// to the root of the Mem, the only directory at first, and are cleaned, except by Resolve. All
// modification times are the zero time.
//
// Thread safety: all methods may be called concurrently.
type Mem struct {
	maxBytes int64

	mu        sync.RWMutex // guards the fields below and all nodes
	root      *dir
	usedBytes int64
	locked    map[*dir]bool
}

var _ vfs.FS = (*Mem)(nil)

// NewMem returns an empty file system.
func NewMem(o MemOptions) *Mem {
	m := &Mem{maxBytes: o.MaxBytes, root: newDir(), locked: map[*dir]bool{}}
	if m.maxBytes <= 0 {
		m.maxBytes = math.MaxInt64
	}
	return m
}

// Resolve implements FS. Relative names begin at the root.
func (m *Mem) Resolve(name string) (string, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if name == "" {
		return "", &fs.PathError{Op: "resolve", Path: `""`, Err: errEmptyName}
	}
	resolved, err := m.resolve(name)
	if err != nil {
		return "", &fs.PathError{Op: "resolve", Path: name, Err: err}
	}
	return resolved, nil
}

// Create implements FS.
func (m *Mem) Create(name string) (vfs.File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, err := m.create(name)
	if err != nil {
		return nil, &fs.PathError{Op: "create", Path: name, Err: err}
	}
	return m.handle(f, name, true), nil
}

// Open implements FS.
func (m *Mem) Open(name string) (vfs.File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.find(name)
	f, ok := n.(*file)
	if err == nil && !ok {
		err = notRegular
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return m.handle(f, name, false), nil
}

// Remove implements FS.
func (m *Mem) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	parent, base, err := m.findParent(name)
	if err == nil {
		switch n := parent.entries[base].(type) {
		case nil:
			err = fs.ErrNotExist
		case *dir:
			if len(n.entries) > 0 {
				err = syscall.ENOTEMPTY
			}
		}
	}
	if err != nil {
		return &fs.PathError{Op: "remove", Path: name, Err: err}
	}
	m.set(parent, base, nil, nil)
	return nil
}

// RemoveAll implements FS.
func (m *Mem) RemoveAll(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	parent, base, err := m.findParent(name)
	if err == fs.ErrNotExist {
		return nil
	}
	if err != nil {
		return &fs.PathError{Op: "removeall", Path: name, Err: err}
	}
	m.removeTree(parent, base)
	return nil
}

func (m *Mem) removeTree(parent *dir, base string) {
	n, ok := parent.entries[base]
	if !ok {
		return
	}
	if d, ok := n.(*dir); ok {
		for _, child := range slices.Sorted(maps.Keys(d.entries)) {
			m.removeTree(d, child)
		}
	}
	m.set(parent, base, nil, nil)
}

// Rename implements FS.
func (m *Mem) Rename(oldName, newName string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.rename(oldName, newName); err != nil {
		return &os.LinkError{Op: "rename", Old: oldName, New: newName, Err: err}
	}
	return nil
}

func (m *Mem) rename(oldName, newName string) error {
	oldParent, oldBase, err := m.findParent(oldName)
	if err != nil {
		return err
	}
	newParent, newBase, err := m.findParent(newName)
	if err != nil {
		return err
	}
	switch oldParent.entries[oldBase].(type) {
	case nil:
		return fs.ErrNotExist
	case *dir:
		return syscall.EISDIR
	}
	f, replaced := oldParent.entries[oldBase], newParent.entries[newBase]
	if _, ok := replaced.(*dir); ok {
		return fs.ErrExist
	}
	if replaced == f { // POSIX: a rename between two names of one file changes nothing
		return nil
	}
	added := m.set(newParent, newBase, f, nil)
	m.set(oldParent, oldBase, nil, added)
	return nil
}

// Link implements FS.
func (m *Mem) Link(oldName, newName string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.link(oldName, newName); err != nil {
		return &os.LinkError{Op: "link", Old: oldName, New: newName, Err: err}
	}
	return nil
}

func (m *Mem) link(oldName, newName string) error {
	n, err := m.find(oldName)
	if err != nil {
		return err
	}
	if _, ok := n.(*dir); ok {
		return notRegular
	}
	parent, base, err := m.findParent(newName)
	if err != nil {
		return err
	}
	if _, ok := parent.entries[base]; ok {
		return fs.ErrExist
	}
	m.set(parent, base, n, nil)
	return nil
}

// MkdirAll implements FS.
func (m *Mem) MkdirAll(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	d := m.root
	for _, base := range elements(name) {
		if _, ok := d.entries[base]; !ok {
			m.set(d, base, newDir(), nil)
		}
		child, ok := d.entries[base].(*dir)
		if !ok {
			return &fs.PathError{Op: "mkdir", Path: name, Err: syscall.ENOTDIR}
		}
		d = child
	}
	return nil
}

// List implements FS.
func (m *Mem) List(name string) ([]string, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	d, err := m.findDir(name)
	if err != nil {
		return nil, &fs.PathError{Op: "list", Path: name, Err: err}
	}
	return slices.Sorted(maps.Keys(d.entries)), nil
}

// Stat implements FS.
func (m *Mem) Stat(name string) (fs.FileInfo, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	n, err := m.find(name)
	if err != nil {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	return n.info(path.Base(filepath.ToSlash(name))), nil
}

// Lstat implements FS. A Mem has no symbolic links.
func (m *Mem) Lstat(name string) (fs.FileInfo, error) { return m.Stat(name) }

// SyncDir implements FS.
func (m *Mem) SyncDir(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, err := m.findDir(name)
	if err != nil {
		return &fs.PathError{Op: "syncdir", Path: name, Err: err}
	}
	d.sync()
	return nil
}

// FreeBytes implements FS.
func (m *Mem) FreeBytes(string) (int64, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return max(0, m.maxBytes-m.usedBytes), nil
}

// dropUnsyncedDir implements unsyncedDirDropper.
func (m *Mem) dropUnsyncedDir(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if d, err := m.findDir(name); err == nil {
		d.dropUnsynced()
	}
}

// Lock implements FS. A crash clone has no locks.
func (m *Mem) Lock(name string) (vfs.Lock, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l, err := m.lock(name)
	if err != nil {
		return nil, &fs.PathError{Op: "lock", Path: name, Err: err}
	}
	return l, nil
}

func (m *Mem) lock(name string) (*memLock, error) {
	parent, base, err := m.findParent(name)
	if err != nil {
		return nil, err
	}
	if m.locked[parent] {
		return nil, vfs.ErrLocked
	}
	n, ok := parent.entries[base]
	if !ok {
		n = &file{}
		m.set(parent, base, n, nil)
	}
	f, ok := n.(*file)
	if !ok {
		return nil, notRegular
	}
	m.locked[parent] = true
	return &memLock{m: m, d: parent, f: f, name: name}, nil
}
