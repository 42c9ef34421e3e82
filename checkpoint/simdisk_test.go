package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/weirstate/weir/internal/durable"
	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

// errDead is the error of every operation of a process that has died.
var errDead = errors.New("the process is dead")

// simDisk is a file system as one process sees it. The process can die. Names of staging files
// are the same in every run, so that runs can be repeated.
type simDisk struct {
	*vfstest.Faulty
	mem   *vfstest.Mem
	fault func(vfstest.Call) error      // returns the error of an operation
	dies  func(vfstest.Op, string) bool // reports whether the process dies before an operation
	dead  bool
	temps map[string]string // names of staging files in mem, by the names that the process uses
	locks []io.Closer
}

// newSimDisk returns the file system of a new process.
func newSimDisk(mem *vfstest.Mem, fault func(vfstest.Call) error, dies func(vfstest.Op, string) bool) *simDisk {
	d := &simDisk{mem: mem, fault: fault, dies: dies, temps: make(map[string]string)}
	d.Faulty = vfstest.NewFaulty(mem, vfstest.FaultyOptions{Plan: d.plan})
	return d
}

func (d *simDisk) plan(call vfstest.Call) error {
	if call.Op != vfstest.OpSync && call.Op != vfstest.OpSyncDir {
		if err := d.live(call.Op, call.Name); err != nil {
			return err
		}
	}
	return d.fault(call)
}

// live returns errDead if the process does not live to run an operation. Syncs call it
// themselves: a sync that never ran discards nothing, unlike one that failed.
func (d *simDisk) live(op vfstest.Op, name string) error {
	if d.dead || d.dies(op, name) {
		return errDead
	}
	return nil
}

// kill ends the process and releases its locks.
func (d *simDisk) kill() {
	d.dead = true
	for _, lock := range d.locks {
		_ = lock.Close() // it may have been closed
	}
}

func (d *simDisk) Create(name string) (vfs.File, error) {
	dir, base := filepath.Split(name)
	if of, ok := durable.DraftOf(base); ok {
		d.temps[name] = filepath.Join(dir, fmt.Sprintf(".%s.%08x%s", of, d.Count(), durable.TempSuffix))
	}
	file, err := d.Faulty.Create(d.name(name))
	return simDiskFile{file, d, name}, err
}

func (d *simDisk) SyncDir(dir string) error {
	if err := d.live(vfstest.OpSyncDir, dir); err != nil {
		return err
	}
	return d.Faulty.SyncDir(dir)
}

// simDiskFile is a file that is being written.
type simDiskFile struct {
	vfs.File
	d    *simDisk
	name string
}

func (f simDiskFile) Sync() error {
	if err := f.d.live(vfstest.OpSync, f.name); err != nil {
		return err
	}
	return f.File.Sync()
}

func (d *simDisk) Link(oldName, newName string) error { return d.Faulty.Link(d.name(oldName), newName) }

func (d *simDisk) Remove(name string) error { return d.Faulty.Remove(d.name(name)) }

func (d *simDisk) Lock(name string) (vfs.Lock, error) {
	lock, err := d.Faulty.Lock(name)
	if err == nil {
		d.locks = append(d.locks, lock)
	}
	return lock, err
}

func (d *simDisk) name(name string) string {
	if temp, ok := d.temps[name]; ok {
		return temp
	}
	return name
}
