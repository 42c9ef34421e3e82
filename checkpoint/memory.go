package checkpoint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"github.com/weirstate/weir/snapshot"
)

// memoryBudget limits the memory of all checkpoints in a Storage.
//
// Thread safety: safe for concurrent use.
type memoryBudget struct {
	limitBytes int64

	mu        sync.Mutex
	usedBytes int64
}

// take takes bytes from the budget. It returns ErrMemoryFull, and takes nothing, if too few are
// left.
func (b *memoryBudget) take(bytes int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if bytes > b.limitBytes-b.usedBytes {
		return fmt.Errorf("%d more bytes, %d are in use, the limit is %d: %w", bytes, b.usedBytes, b.limitBytes, ErrMemoryFull)
	}
	b.usedBytes += bytes
	return nil
}

// release returns bytes that take has taken.
func (b *memoryBudget) release(bytes int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.usedBytes -= bytes
}

// memoryObjects are Objects, and a Locker, in memory. Content counts against the budget from
// the moment it is written.
//
// Thread safety: safe for concurrent use.
type memoryObjects struct {
	budget *memoryBudget

	mu      sync.Mutex
	objects map[string][]byte // the contents are never modified
	locked  map[string]bool
}

// newMemoryObjects returns an empty store that takes its memory from the budget.
func newMemoryObjects(budget *memoryBudget) *memoryObjects {
	return &memoryObjects{budget: budget, objects: make(map[string][]byte), locked: make(map[string]bool)}
}

// Create implements Objects.
func (m *memoryObjects) Create(ctx context.Context, name string) (snapshot.File, error) {
	if err := errors.Join(context.Cause(ctx), CheckObjectName(name)); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, taken := m.objects[name]; taken {
		return nil, fmt.Errorf("object %q: %w", name, fs.ErrExist)
	}
	return &memoryFile{objects: m, name: name}, nil
}

// Open implements Objects.
func (m *memoryObjects) Open(ctx context.Context, name string) (snapshot.Object, error) {
	if err := errors.Join(context.Cause(ctx), CheckObjectName(name)); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	content, ok := m.objects[name]
	if !ok {
		return nil, fmt.Errorf("object %q: %w", name, fs.ErrNotExist)
	}
	return inlineObject{bytes.NewReader(content)}, nil
}

// List implements Objects. It never returns unfinished objects.
func (m *memoryObjects) List(ctx context.Context, prefix string) ([]ObjectInfo, error) {
	if err := errors.Join(context.Cause(ctx), CheckPrefix(prefix)); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var objects []ObjectInfo
	for name, content := range m.objects {
		if strings.HasPrefix(name, prefix) {
			objects = append(objects, ObjectInfo{Name: name, Size: int64(len(content))})
		}
	}
	slices.SortFunc(objects, func(a, b ObjectInfo) int { return strings.Compare(a.Name, b.Name) })
	return objects, nil
}

// Remove implements Objects.
func (m *memoryObjects) Remove(ctx context.Context, name string) error {
	if err := errors.Join(context.Cause(ctx), CheckObjectName(name)); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.budget.release(int64(len(m.objects[name])))
	delete(m.objects, name)
	return nil
}

// Lock implements Locker.
func (m *memoryObjects) Lock(ctx context.Context, name string) (io.Closer, error) {
	if err := errors.Join(context.Cause(ctx), CheckObjectName(name)); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.locked[name] {
		return nil, fmt.Errorf("%q: %w", name, ErrLocked)
	}
	m.locked[name] = true
	return &memoryLock{objects: m, name: name}, nil
}

// memoryLock is a lock that is held until Close.
type memoryLock struct {
	objects *memoryObjects
	name    string
	closed  bool // guarded by the mutex of objects
}

// Close implements io.Closer.
func (l *memoryLock) Close() error {
	l.objects.mu.Lock()
	defer l.objects.mu.Unlock()
	if !l.closed {
		l.closed = true
		delete(l.objects.locked, l.name)
	}
	return nil
}

// memoryFile is an object in memory that is being written.
type memoryFile struct {
	objects *memoryObjects
	name    string
	content []byte
	ended   bool
}

// Write implements snapshot.File.
func (f *memoryFile) Write(p []byte) (int, error) {
	if f.ended {
		return 0, fs.ErrClosed
	}
	if err := f.objects.budget.take(int64(len(p))); err != nil {
		return 0, err
	}
	f.content = append(f.content, p...)
	return len(p), nil
}

// Commit implements snapshot.File.
func (f *memoryFile) Commit() error {
	if f.ended {
		return fs.ErrClosed
	}
	f.objects.mu.Lock()
	defer f.objects.mu.Unlock()
	if _, taken := f.objects.objects[f.name]; taken {
		return fmt.Errorf("object %q: %w", f.name, fs.ErrExist)
	}
	f.ended = true
	f.objects.objects[f.name] = append(make([]byte, 0, len(f.content)), f.content...)
	f.content = nil
	return nil
}

// Abort implements snapshot.File.
func (f *memoryFile) Abort() error {
	if !f.ended {
		f.ended = true
		f.objects.budget.release(int64(len(f.content)))
		f.content = nil
	}
	return nil
}
