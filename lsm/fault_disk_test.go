package lsm

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

// faultyDisk is a file system in memory with a fault, which is lifted at some
// time. It knows what is open.
//
// Thread safety: all methods may be called at the same time.
type faultyDisk struct {
	*vfstest.Faulty
	mem    *vfstest.Mem
	hits   atomic.Int64
	lifted atomic.Bool
	before map[string]bool // goroutines of other stores

	mu      sync.Mutex // guards what follows
	last    int
	handles map[int]string // files and locks that are open
}

// newFaultyDisk returns a disk over mem with the fault that plan makes.
func newFaultyDisk(mem *vfstest.Mem, plan vfstest.Plan) *faultyDisk {
	d := &faultyDisk{mem: mem, before: workers(), handles: make(map[int]string)}
	d.Faulty = vfstest.NewFaulty(mem, vfstest.FaultyOptions{Plan: func(c vfstest.Call) error {
		if d.lifted.Load() {
			return nil
		}
		err := plan(c)
		if err != nil {
			d.hits.Add(1)
		}
		return err
	}})
	return d
}

// opened notes a handle, and returns what forgets it.
func (d *faultyDisk) opened(op vfstest.Op, name string) (closed func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last++
	id := d.last
	d.handles[id] = fmt.Sprintf("%v %s", op, name)
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.handles, id)
	}
}

// left are the handles that are open, and how each was made.
func (d *faultyDisk) left() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Sorted(maps.Values(d.handles))
}

func (d *faultyDisk) file(f vfs.File, err error, op vfstest.Op, name string) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return &notedFile{f, d.opened(op, name)}, nil
}

// Create implements vfs.FS.
func (d *faultyDisk) Create(name string) (vfs.File, error) {
	f, err := d.Faulty.Create(name)
	return d.file(f, err, vfstest.OpCreate, name)
}

// Open implements vfs.FS.
func (d *faultyDisk) Open(name string) (vfs.File, error) {
	f, err := d.Faulty.Open(name)
	return d.file(f, err, vfstest.OpOpen, name)
}

// Lock implements vfs.FS.
func (d *faultyDisk) Lock(name string) (vfs.Lock, error) {
	l, err := d.Faulty.Lock(name)
	if err != nil {
		return nil, err
	}
	return &notedLock{l, d.opened(vfstest.OpLock, name)}, nil
}

// notedFile is a file of which the disk knows that it is open.
type notedFile struct {
	vfs.File
	closed func()
}

// Close implements vfs.File. The file is closed also if it fails.
func (f *notedFile) Close() error {
	f.closed()
	return f.File.Close()
}

// notedLock is a lock of which the disk knows.
type notedLock struct {
	vfs.Lock
	closed func()
}

// Close implements io.Closer.
func (l *notedLock) Close() error {
	l.closed()
	return l.Lock.Close()
}
