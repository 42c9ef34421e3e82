package vfstest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/weirstate/weir/vfs"
)

// Call is one operation that is about to run.
type Call struct {
	Op   Op     // the kind of the operation
	Name string // as given to the FS; of a rename or link, the new name
	N    int    // its number among all operations of this Faulty, from 0
}

// Plan decides whether an operation fails: it does with the error that Plan
// returns, and runs if that is nil. Plan is called by the operating goroutine,
// before the operation, and must be safe for concurrent use if the operations
// are. It may wait, to slow an operation down or to hold it up.
type Plan func(Call) error

// FailNth makes the n-th operation, counted from 0, fail with err. With kinds
// it counts only operations of those. A plan counts for itself, so each run
// takes a new one.
func FailNth(n int, err error, kinds ...Op) Plan {
	return failWhen(func(i int) bool { return i == n }, err, kinds)
}

// FailFrom is FailNth for the n-th operation and all after it.
func FailFrom(n int, err error, kinds ...Op) Plan {
	return failWhen(func(i int) bool { return i >= n }, err, kinds)
}

func failWhen(hit func(i int) bool, err error, kinds []Op) Plan {
	var seen atomic.Int64
	return func(c Call) error {
		if len(kinds) > 0 && !slices.Contains(kinds, c.Op) {
			return nil
		}
		if hit(int(seen.Add(1) - 1)) {
			return err
		}
		return nil
	}
}

// ShortWrite returns an error for plans that wraps err: a write that fails with
// it first writes half of its bytes, rounded down. Other operations fail with
// it as with any error.
func ShortWrite(err error) error { return &shortWrite{err} }

type shortWrite struct{ err error }

func (e *shortWrite) Error() string { return "short write: " + e.err.Error() }
func (e *shortWrite) Unwrap() error { return e.err }

// NotOpened returns an error for plans that wraps err: a SyncDir that fails with it
// could not open the directory, as under EMFILE, and has given up nothing. Other
// operations fail with it as with any error.
func NotOpened(err error) error { return &notOpened{err} }

type notOpened struct{ err error }

func (e *notOpened) Error() string { return "not opened: " + e.err.Error() }
func (e *notOpened) Unwrap() error { return e.err }

// FaultyOptions configure a Faulty. The zero value makes one that only counts.
type FaultyOptions struct {
	// Plan decides which operations fail. Default nil: none.
	Plan Plan

	// After is called after each operation that mutates (Op.Mutates), failed or
	// not, by the goroutine that operates; it is the place to take a
	// CrashClone. Default nil: nothing is called.
	After func(op Op, name string)
}

// Faulty passes operations on to another file system, counts them, and makes
// those fail that its plan chooses. An operation that fails has not run, except
// that
//   - a write that fails with a ShortWrite has written half of its bytes;
//   - a Close has closed the file or released the lock, as close(2) does;
//   - a Sync or SyncDir has given up what it should have made durable: if a Mem
//     is below, no later sync and no crash will keep that. A SyncDir is then
//     ErrUnsynced; one that fails with NotOpened is not, and gives up nothing.
//
// Injected errors are *fs.PathError with the name of the Op.
//
// Thread safety: all methods may be called at the same time.
type Faulty struct {
	inner  vfs.FS
	plan   Plan
	after  func(op Op, name string)
	total  atomic.Int64
	counts [opKinds]atomic.Int64
}

var _ vfs.FS = (*Faulty)(nil)

// The hooks by which a failed sync gives up data. Mem and its files have them,
// and Faulty passes them on.
type (
	unsyncedDropper    interface{ dropUnsynced() }
	unsyncedDirDropper interface{ dropUnsyncedDir(dir string) }
)

// NewFaulty returns a Faulty over inner, which it does not own.
func NewFaulty(inner vfs.FS, o FaultyOptions) *Faulty {
	f := &Faulty{inner: inner, plan: o.Plan, after: o.After}
	if f.plan == nil {
		f.plan = func(Call) error { return nil }
	}
	if f.after == nil {
		f.after = func(Op, string) {}
	}
	return f
}

// Count returns how many operations there have been, failed ones included; with
// kinds, how many of those.
func (f *Faulty) Count(kinds ...Op) int {
	if len(kinds) == 0 {
		return int(f.total.Load())
	}
	var n int64
	for _, op := range kinds {
		if int(op) < opKinds {
			n += f.counts[op].Load()
		}
	}
	return int(n)
}

// start counts an operation and returns the error with which it is to fail.
func (f *Faulty) start(op Op, name string) error {
	f.counts[op].Add(1)
	n := int(f.total.Add(1) - 1)
	if err := f.plan(Call{Op: op, Name: name, N: n}); err != nil {
		return &fs.PathError{Op: op.String(), Path: name, Err: err}
	}
	return nil
}

func (f *Faulty) end(op Op, name string) {
	if op.Mutates() {
		f.after(op, name)
	}
}

// do runs an operation that has no other result than its error.
func (f *Faulty) do(op Op, name string, run func() error) error {
	defer f.end(op, name)
	if err := f.start(op, name); err != nil {
		return err
	}
	return run()
}

// get runs an operation that has a result.
func get[T any](f *Faulty, op Op, name string, run func() (T, error)) (result T, err error) {
	err = f.do(op, name, func() error {
		result, err = run()
		return err
	})
	return result, err
}

// Resolve implements FS.
func (f *Faulty) Resolve(name string) (string, error) {
	return get(f, OpResolve, name, func() (string, error) { return f.inner.Resolve(name) })
}

// Create implements FS.
func (f *Faulty) Create(name string) (vfs.File, error) {
	return f.file(OpCreate, name, f.inner.Create)
}

// Open implements FS.
func (f *Faulty) Open(name string) (vfs.File, error) {
	return f.file(OpOpen, name, f.inner.Open)
}

func (f *Faulty) file(op Op, name string, open func(string) (vfs.File, error)) (vfs.File, error) {
	inner, err := get(f, op, name, func() (vfs.File, error) { return open(name) })
	if err != nil {
		return nil, err
	}
	return &faultyFile{f: f, inner: inner, name: name}, nil
}

// Remove implements FS.
func (f *Faulty) Remove(name string) error {
	return f.do(OpRemove, name, func() error { return f.inner.Remove(name) })
}

// RemoveAll implements FS.
func (f *Faulty) RemoveAll(name string) error {
	return f.do(OpRemoveAll, name, func() error { return f.inner.RemoveAll(name) })
}

// Rename implements FS.
func (f *Faulty) Rename(oldName, newName string) error {
	return f.do(OpRename, newName, func() error { return f.inner.Rename(oldName, newName) })
}

// Link implements FS.
func (f *Faulty) Link(oldName, newName string) error {
	return f.do(OpLink, newName, func() error { return f.inner.Link(oldName, newName) })
}

// MkdirAll implements FS.
func (f *Faulty) MkdirAll(dir string) error {
	return f.do(OpMkdirAll, dir, func() error { return f.inner.MkdirAll(dir) })
}

// List implements FS.
func (f *Faulty) List(dir string) ([]string, error) {
	return get(f, OpList, dir, func() ([]string, error) { return f.inner.List(dir) })
}

// Stat implements FS.
func (f *Faulty) Stat(name string) (fs.FileInfo, error) {
	return get(f, OpStat, name, func() (fs.FileInfo, error) { return f.inner.Stat(name) })
}

// Lstat implements FS. It counts as an OpStat.
func (f *Faulty) Lstat(name string) (fs.FileInfo, error) {
	return get(f, OpStat, name, func() (fs.FileInfo, error) { return f.inner.Lstat(name) })
}

// SyncDir implements FS.
func (f *Faulty) SyncDir(dir string) error {
	defer f.end(OpSyncDir, dir)
	err := f.start(OpSyncDir, dir)
	var not *notOpened
	switch {
	case err == nil:
		return f.inner.SyncDir(dir)
	case errors.As(err, &not):
		return err
	}
	f.dropUnsyncedDir(dir)
	return &fs.PathError{Op: OpSyncDir.String(), Path: dir, Err: fmt.Errorf("%w: %w", vfs.ErrUnsynced, errors.Unwrap(err))}
}

// FreeBytes implements FS. It counts as an OpStat.
func (f *Faulty) FreeBytes(dir string) (int64, error) {
	return get(f, OpStat, dir, func() (int64, error) { return f.inner.FreeBytes(dir) })
}

// dropUnsyncedDir implements unsyncedDirDropper.
func (f *Faulty) dropUnsyncedDir(dir string) {
	if d, ok := f.inner.(unsyncedDirDropper); ok {
		d.dropUnsyncedDir(dir)
	}
}

// Lock implements FS.
func (f *Faulty) Lock(name string) (vfs.Lock, error) {
	inner, err := get(f, OpLock, name, func() (vfs.Lock, error) { return f.inner.Lock(name) })
	if err != nil {
		return nil, err
	}
	return &faultyLock{f: f, inner: inner, name: name}, nil
}

// faultyLock is a lock that Faulty.Lock gave out.
type faultyLock struct {
	f       *Faulty
	inner   vfs.Lock
	name    string
	closing sync.Once
}

// Check implements Lock. It is no operation that could fail.
func (l *faultyLock) Check() error { return l.inner.Check() }

// Close releases the lock, also when it fails. A second one is no operation.
func (l *faultyLock) Close() (err error) {
	l.closing.Do(func() { err = l.f.close(OpUnlock, l.name, l.inner) })
	return err
}

func (f *Faulty) close(op Op, name string, inner io.Closer) error {
	err := f.start(op, name)
	if closeErr := inner.Close(); err == nil {
		err = closeErr
	}
	return err
}
