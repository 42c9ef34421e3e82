package vfstest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/vfs"
)

// brokenFS breaks the rule of each case of the conformance test.
var brokenFS = map[string]func(vfs.FS) vfs.FS{
	"CreateIsExclusive":                func(f vfs.FS) vfs.FS { return overwriting{f} },
	"OpenReadsOnly":                    func(f vfs.FS) vfs.FS { return makingOnOpen{f} },
	"DirectoryIsNoFile":                func(f vfs.FS) vfs.FS { return errorsWithoutKind{f} },
	"ResolveGoesElementByElement":      func(f vfs.FS) vfs.FS { return cleaning{f} },
	"WriteAppendsAndMovesRead":         func(f vfs.FS) vfs.FS { return ownFiles{f, func(f vfs.File) vfs.File { return &readingOn{File: f} }} },
	"ReadsAtTheEnd":                    func(f vfs.FS) vfs.FS { return ownFiles{f, func(f vfs.File) vfs.File { return unexpectedEnd{f} }} },
	"UseAfterCloseFails":               func(f vfs.FS) vfs.FS { return ownFiles{f, func(f vfs.File) vfs.File { return closingTwice{f} }} },
	"RemoveLeavesOpenFiles":            func(f vfs.FS) vfs.FS { return removingNothing{f} },
	"RemoveOfDirectories":              func(f vfs.FS) vfs.FS { return removingTrees{f} },
	"RemoveAll":                        func(f vfs.FS) vfs.FS { return removingOne{f} },
	"RenameReplacesAndLeavesOpenFiles": func(f vfs.FS) vfs.FS { return renamingToNewNames{f} },
	"RenameRefusesDirectories":         func(f vfs.FS) vfs.FS { return forgettingDirectories{f} },
	"LinkIsASecondName":                func(f vfs.FS) vfs.FS { return copying{f} },
	"MkdirAll":                         func(f vfs.FS) vfs.FS { return makingOnce{f} },
	"ListIsSorted":                     func(f vfs.FS) vfs.FS { return listingBackward{f} },
	"StatAndModes":                     func(f vfs.FS) vfs.FS { return growingFiles{f} },
	"SyncAndSyncDir":                   func(f vfs.FS) vfs.FS { return syncingNothing{f} },
	"LockExcludes": func(f vfs.FS) vfs.FS {
		return ownLocks{f, func(vfs.Lock, error) (vfs.Lock, error) { return noLock{}, nil }}
	},
	"LockOutlivesItsFile": func(f vfs.FS) vfs.FS {
		return ownLocks{f, func(l vfs.Lock, err error) (vfs.Lock, error) { return uncheckedLock{l}, err }}
	},
}

func TestConformanceFindsBrokenFileSystems(t *testing.T) {
	for _, c := range conformance {
		t.Run(c.name, func(t *testing.T) {
			if c.name == "LockOutlivesItsFile" && runtime.GOOS == "windows" {
				t.Skip("the case does nothing there")
			}
			at := func(name string) string { return filepath.Join("/", name) }
			run := func(fsys vfs.FS) *recorder {
				r := &recorder{TB: t}
				done := make(chan struct{})
				go func() {
					defer close(done)
					c.test(r, fsys, at)
				}()
				<-done
				return r
			}
			require.Empty(t, run(NewMem(MemOptions{})).failure)
			breaks, ok := brokenFS[c.name]
			require.True(t, ok, "no file system breaks this rule")
			require.NotEmpty(t, run(breaks(NewMem(MemOptions{}))).failure)
		})
	}
}

// recorder is a testing.TB that records a failure and lets the test continue.
type recorder struct {
	testing.TB
	failure string
}

func (r *recorder) Errorf(format string, args ...any) { r.failure = fmt.Sprintf(format, args...) }
func (r *recorder) FailNow()                          { runtime.Goexit() }

type overwriting struct{ vfs.FS }

func (s overwriting) Create(name string) (vfs.File, error) {
	if err := s.FS.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return s.FS.Create(name)
}

type makingOnOpen struct{ vfs.FS }

func (s makingOnOpen) Open(name string) (vfs.File, error) {
	f, err := s.FS.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return s.FS.Create(name)
	}
	return f, err
}

type errorsWithoutKind struct{ vfs.FS }

func (s errorsWithoutKind) Open(name string) (vfs.File, error) {
	f, err := s.FS.Open(name)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errors.New("failed")}
	}
	return f, nil
}

type cleaning struct{ vfs.FS }

func (s cleaning) Resolve(name string) (string, error) {
	return path.Clean(filepath.ToSlash(name)), nil
}

type removingNothing struct{ vfs.FS }

func (s removingNothing) Remove(name string) error {
	if err := s.FS.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

type removingTrees struct{ vfs.FS }

func (s removingTrees) Remove(name string) error { return s.FS.RemoveAll(name) }

type removingOne struct{ vfs.FS }

func (s removingOne) RemoveAll(name string) error { return s.FS.Remove(name) }

type renamingToNewNames struct{ vfs.FS }

func (s renamingToNewNames) Rename(oldName, newName string) error {
	if _, err := s.FS.Stat(newName); err == nil {
		return &fs.PathError{Op: "rename", Path: newName, Err: fs.ErrExist}
	}
	return s.FS.Rename(oldName, newName)
}

type forgettingDirectories struct{ vfs.FS }

func (s forgettingDirectories) Rename(oldName, newName string) error {
	if info, err := s.FS.Stat(oldName); err == nil && info.IsDir() {
		return s.FS.Remove(oldName)
	}
	return s.FS.Rename(oldName, newName)
}

type copying struct{ vfs.FS }

func (s copying) Link(oldName, newName string) error {
	text, err := content(s.FS, oldName)
	if err != nil {
		return err
	}
	f, err := s.FS.Create(newName)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, text)
	return errors.Join(err, f.Close())
}

type makingOnce struct{ vfs.FS }

func (s makingOnce) MkdirAll(name string) error {
	if _, err := s.FS.Stat(name); err == nil {
		return &fs.PathError{Op: "mkdir", Path: name, Err: fs.ErrExist}
	}
	return s.FS.MkdirAll(name)
}

type listingBackward struct{ vfs.FS }

func (s listingBackward) List(dir string) ([]string, error) {
	names, err := s.FS.List(dir)
	slices.Reverse(names)
	return names, err
}

type growingFiles struct{ vfs.FS }

func (s growingFiles) Stat(name string) (fs.FileInfo, error) {
	info, err := s.FS.Stat(name)
	return otherSize{info}, err
}

type otherSize struct{ fs.FileInfo }

func (i otherSize) Size() int64 { return i.FileInfo.Size() + 1 }

type syncingNothing struct{ vfs.FS }

func (s syncingNothing) SyncDir(string) error { return nil }

// ownFiles is a file system whose files are wrapped.
type ownFiles struct {
	vfs.FS
	of func(vfs.File) vfs.File
}

func (s ownFiles) Create(name string) (vfs.File, error) {
	f, err := s.FS.Create(name)
	if err != nil {
		return nil, err
	}
	return s.of(f), nil
}

func (s ownFiles) Open(name string) (vfs.File, error) {
	f, err := s.FS.Open(name)
	if err != nil {
		return nil, err
	}
	return s.of(f), nil
}

// readingOn does not move the position of Read when it writes.
type readingOn struct {
	vfs.File
	from int64
}

func (f *readingOn) Read(p []byte) (int, error) {
	n, err := f.File.ReadAt(p, f.from)
	f.from += int64(n)
	return n, err
}

type unexpectedEnd struct{ vfs.File }

func (f unexpectedEnd) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(p, off)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

type closingTwice struct{ vfs.File }

func (f closingTwice) Close() error {
	if err := f.File.Close(); !errors.Is(err, fs.ErrClosed) {
		return err
	}
	return nil
}

// ownLocks is a file system whose locks are wrapped.
type ownLocks struct {
	vfs.FS
	of func(vfs.Lock, error) (vfs.Lock, error)
}

func (s ownLocks) Lock(name string) (vfs.Lock, error) { return s.of(s.FS.Lock(name)) }

type noLock struct{}

func (noLock) Check() error { return nil }
func (noLock) Close() error { return nil }

type uncheckedLock struct{ vfs.Lock }

func (uncheckedLock) Check() error { return nil }
