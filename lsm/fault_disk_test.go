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

// faultyDisk is an in-memory file system whose operations fail by a plan until the test lifts the fault.
// It tracks open files and locks.
//
// Thread safety: all methods may be called at the same time.
type faultyDisk struct {
	*vfstest.Faulty
	mem    *vfstest.Mem
	hits   atomic.Int64
	lifted atomic.Bool
	before map[string]bool // goroutines of stores that existed before this disk

	mu      sync.Mutex     // guards last and handles
	last    int            // ID of the newest handle
	handles map[int]string // operation and name of each open file and lock, by ID
}

// newFaultyDisk returns a disk over mem whose operations fail by plan.
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

// track adds an open handle, and returns the function that removes it.
func (d *faultyDisk) track(op vfstest.Op, name string) (closed func()) {
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

// openHandles returns the operations that made the open handles, and their file names.
func (d *faultyDisk) openHandles() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Sorted(maps.Values(d.handles))
}

func (d *faultyDisk) file(f vfs.File, err error, op vfstest.Op, name string) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return &trackedFile{f, d.track(op, name)}, nil
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
	return &trackedLock{l, d.track(vfstest.OpLock, name)}, nil
}

// trackedFile is a file that the disk tracks while it is open.
type trackedFile struct {
	vfs.File
	closed func()
}

// Close implements vfs.File. It closes the file even if it returns an error.
func (f *trackedFile) Close() error {
	f.closed()
	return f.File.Close()
}

// trackedLock is a lock that the disk tracks while it is held.
type trackedLock struct {
	vfs.Lock
	closed func()
}

// Close implements io.Closer.
func (l *trackedLock) Close() error {
	l.closed()
	return l.Lock.Close()
}
