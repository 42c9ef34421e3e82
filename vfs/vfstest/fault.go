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
	N    int    // number of the operation among all of this Faulty, from 0
}

// Plan decides whether an operation fails: with the error that Plan returns, or not if that is nil.
// The goroutine of the operation calls Plan before the operation runs. Plan must be safe for
// concurrent use if operations are concurrent. It may block, to delay or stop an operation.
type Plan func(Call) error

// FailNth returns a plan that makes the n-th operation, counted from 0, fail with err. With kinds,
// it counts only operations of these kinds. A plan has its own counter, so use a new one for each
// run.
func FailNth(n int, err error, kinds ...Op) Plan {
	return failWhen(func(i int) bool { return i == n }, err, kinds)
}

// FailFrom is FailNth for the n-th and all later operations.
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

// ShortWrite returns an error for plans that wraps err. A write that fails with it first writes
// half of its bytes, rounded down. For other operations it is like any error.
func ShortWrite(err error) error { return &shortWrite{err} }

type shortWrite struct{ err error }

func (e *shortWrite) Error() string { return "short write: " + e.err.Error() }
func (e *shortWrite) Unwrap() error { return e.err }

// NotOpened returns an error for plans that wraps err. A SyncDir that fails with it could not open
// the directory, for example with EMFILE, and loses nothing. For other operations it is like any
// error.
func NotOpened(err error) error { return &notOpened{err} }

type notOpened struct{ err error }

func (e *notOpened) Error() string { return "not opened: " + e.err.Error() }
func (e *notOpened) Unwrap() error { return e.err }

// FaultyOptions configure a Faulty. With the zero value, it only counts operations.
type FaultyOptions struct {
	// Plan decides which operations fail. Default nil: none.
	Plan Plan

	// After is called after each operation that mutates (Op.Mutates), failed or not, by the
	// goroutine of the operation. It is the place to take a CrashClone. Default nil: no call.
	After func(op Op, name string)
}

// Faulty passes operations to another file system, counts them, and makes those fail that its plan
// chooses. An operation that fails has no effect, with these exceptions:
//
//   - A write that fails with a ShortWrite has written half of its bytes.
//   - A Close has closed the file or released the lock, as close(2) does.
//   - A Sync or SyncDir has lost the data or entries that it should have made durable: on a Mem, no
//     later sync and no crash keeps them. The error of SyncDir is an ErrUnsynced. A SyncDir that
//     fails with NotOpened loses nothing and returns another error.
//
// Injected errors are *fs.PathError with the name of the Op.
//
// Thread safety: all methods may be called concurrently.
type Faulty struct {
	inner  vfs.FS
	plan   Plan
	after  func(op Op, name string)
	total  atomic.Int64
	counts [opKinds]atomic.Int64
}

var _ vfs.FS = (*Faulty)(nil)

// The hooks that make a failed sync lose data. Mem and its files implement them; Faulty passes them
// on, so that a Faulty may wrap another.
type (
	unsyncedDropper    interface{ dropUnsynced() }
	unsyncedDirDropper interface{ dropUnsyncedDir(dir string) }
)

// NewFaulty returns a Faulty over inner.
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

// Count returns the number of operations so far, including failed ones; with kinds, of these kinds.
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

// start counts an operation and returns the error that the plan injects, or nil.
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

// do runs an operation whose only result is an error.
func (f *Faulty) do(op Op, name string, run func() error) error {
	defer f.end(op, name)
	if err := f.start(op, name); err != nil {
		return err
	}
	return run()
}

// get runs an operation with a result.
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

// faultyLock is a lock held through a Faulty.
type faultyLock struct {
	f       *Faulty
	inner   vfs.Lock
	name    string
	closing sync.Once
}

// Check implements Lock. It is not counted, and never fails by a plan.
func (l *faultyLock) Check() error { return l.inner.Check() }

// Close releases the lock even if it fails. A second Close is not an operation.
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
