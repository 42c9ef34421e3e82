package vfstest

import (
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/vfs"
)

// errDisk is the error of the injected faults.
var errDisk = syscall.EIO

// everyOp runs each kind of operation. It continues after errors, and returns them in order.
func everyOp(fsys vfs.FS) []error {
	var errs []error
	add := func(err error) { errs = append(errs, err) }
	_, err := fsys.Resolve("d")
	add(err)
	add(fsys.MkdirAll("d"))
	lock, err := fsys.Lock("d/LOCK")
	add(err)
	if f, err := fsys.Create("d/a"); err != nil {
		add(err)
	} else {
		_, err = f.Write([]byte("abcdef"))
		add(err)
		add(f.Sync())
		_, err = f.Size()
		add(err)
		add(f.Close())
	}
	add(fsys.SyncDir("d"))
	if f, err := fsys.Open("d/a"); err != nil {
		add(err)
	} else {
		_, err = f.Read(make([]byte, 2))
		add(err)
		_, err = f.ReadAt(make([]byte, 2), 0)
		add(err)
		add(f.Close())
	}
	add(fsys.Link("d/a", "d/b"))
	add(fsys.Rename("d/a", "d/c"))
	_, err = fsys.List("d")
	add(err)
	_, err = fsys.Stat("d/c")
	add(err)
	add(fsys.Remove("d/b"))
	if lock != nil {
		add(lock.Close())
	}
	add(fsys.RemoveAll("d"))
	return errs
}

func TestFaultyCountsAndNamesEveryKind(t *testing.T) {
	var calls []string
	var after []Op
	faulty := NewFaulty(NewMem(MemOptions{}), FaultyOptions{
		Plan: func(c Call) error {
			require.Equal(t, len(calls), c.N)
			calls = append(calls, c.Op.String()+" "+c.Name)
			return nil
		},
		After: func(op Op, name string) { after = append(after, op) },
	})
	for _, err := range everyOp(faulty) {
		require.NoError(t, err)
	}
	require.Equal(t, []string{
		"resolve d", "mkdirall d", "lock d/LOCK", "create d/a", "write d/a", "sync d/a", "size d/a", "close d/a",
		"syncdir d", "open d/a", "read d/a", "readat d/a", "close d/a", "link d/b", "rename d/c",
		"list d", "stat d/c", "remove d/b", "unlock d/LOCK", "removeall d",
	}, calls)
	require.Equal(t, []Op{OpMkdirAll, OpLock, OpCreate, OpWrite, OpSync, OpSyncDir, OpLink, OpRename, OpRemove, OpRemoveAll}, after)
	require.Equal(t, len(calls), faulty.Count())
	require.Equal(t, 2, faulty.Count(OpClose))
	require.Equal(t, 3, faulty.Count(OpClose, OpUnlock, Op(200)))
	for op := range Op(opKinds) {
		require.NotZero(t, faulty.Count(op), op)
		require.NotEmpty(t, op.String())
	}
	require.Equal(t, "unknown", Op(200).String())
}

func TestFaultyFailsTheNthOperation(t *testing.T) {
	counted := NewFaulty(NewMem(MemOptions{}), FaultyOptions{})
	everyOp(counted)
	for n := range counted.Count() {
		var failed Op
		inner := FailNth(n, errDisk)
		faulty := NewFaulty(NewMem(MemOptions{}), FaultyOptions{Plan: func(c Call) error {
			err := inner(c)
			if err != nil {
				failed = c.Op
			}
			return err
		}})
		errs := everyOp(faulty)
		i := slices.IndexFunc(errs, func(err error) bool { return err != nil })
		require.GreaterOrEqual(t, i, 0, n)
		require.ErrorIs(t, errs[i], errDisk)
		var pathErr *fs.PathError
		require.ErrorAs(t, errs[i], &pathErr)
		require.Equal(t, failed.String(), pathErr.Op)
		require.True(t, strings.HasPrefix(pathErr.Path, "d"))
	}
}

func TestFailPlansCountTheirKinds(t *testing.T) {
	for _, test := range []struct {
		plan Plan
		want string // of four rounds of write and sync
	}{
		{FailNth(0, errDisk), "Ws ws ws ws"},
		{FailNth(3, errDisk), "ws wS ws ws"},
		{FailNth(2, errDisk, OpSync), "ws ws wS ws"},
		{FailNth(1, errDisk, OpSync, OpWrite), "wS ws ws ws"},
		{FailFrom(5, errDisk), "ws ws wS WS"},
		{FailFrom(1, errDisk, OpWrite), "ws Ws Ws Ws"},
		{FailFrom(0, errDisk, OpRemove), "ws ws ws ws"},
	} {
		faulty := NewFaulty(NewMem(MemOptions{}), FaultyOptions{Plan: func(c Call) error {
			if c.Op == OpCreate {
				return nil
			}
			return test.plan(c)
		}})
		f, err := faulty.Create("b")
		require.NoError(t, err)
		var got strings.Builder
		for range 4 {
			_, err := f.Write([]byte("x"))
			got.WriteString(letter("w", err))
			got.WriteString(letter("s", f.Sync()) + " ")
		}
		require.Equal(t, test.want, strings.TrimSpace(got.String()))
	}
}

func letter(s string, err error) string {
	if err != nil {
		return strings.ToUpper(s)
	}
	return s
}

func TestFaultyShortWrite(t *testing.T) {
	for _, cause := range []error{syscall.ENOSPC, syscall.EIO} {
		m := NewMem(MemOptions{})
		faulty := NewFaulty(m, FaultyOptions{Plan: FailNth(1, ShortWrite(cause), OpWrite)})
		f, err := faulty.Create("a")
		require.NoError(t, err)
		_, err = f.Write([]byte("abc"))
		require.NoError(t, err)
		n, err := f.Write([]byte("defgh"))
		require.Equal(t, 2, n)
		requireError(t, err, cause)
		_, err = f.Write([]byte("ijk"))
		require.NoError(t, err)
		require.Equal(t, "abcdeijk", readFile(t, m, "a"))
	}
	faulty := NewFaulty(NewMem(MemOptions{}), FaultyOptions{Plan: FailNth(0, ShortWrite(errDisk))})
	_, err := faulty.Create("a")
	requireError(t, err, errDisk)

	faulty = NewFaulty(NewMem(MemOptions{MaxBytes: 1}), FaultyOptions{Plan: FailNth(0, ShortWrite(errDisk), OpWrite)})
	f, err := faulty.Create("a")
	require.NoError(t, err)
	n, err := f.Write([]byte("abcd"))
	require.Equal(t, 1, n)
	requireError(t, err, syscall.ENOSPC)
}

func TestFaultyCloseFailsAndCloses(t *testing.T) {
	m := NewMem(MemOptions{})
	faulty := NewFaulty(m, FaultyOptions{Plan: FailFrom(0, errDisk, OpClose, OpUnlock)})
	f, err := faulty.Create("a")
	require.NoError(t, err)
	requireError(t, f.Close(), errDisk)
	_, err = f.Write([]byte("x"))
	requireError(t, err, fs.ErrClosed)
	lock, err := faulty.Lock("LOCK")
	require.NoError(t, err)
	requireError(t, lock.Close(), errDisk)
	_, err = m.Lock("LOCK")
	require.NoError(t, err)
}

func TestFaultyPassesFailedSyncsThroughAnother(t *testing.T) {
	m := NewMem(MemOptions{})
	inner := NewFaulty(m, FaultyOptions{})
	outer := NewFaulty(inner, FaultyOptions{Plan: FailFrom(0, errDisk, OpSync, OpSyncDir)})
	durableFile(t, m, "other")
	f, err := outer.Create("a")
	require.NoError(t, err)
	_, err = io.WriteString(f, "abc")
	require.NoError(t, err)
	require.Error(t, f.Sync())
	require.Equal(t, files{"other": "other", "a": "\x00\x00\x00"}, tree(t, m.CrashClone(keepAll)))
	require.Error(t, outer.SyncDir("/"))
	require.Equal(t, files{"other": "other"}, tree(t, m.CrashClone(keepAll)))
}

// A SyncDir that could not open the directory loses nothing. A SyncDir that could not sync it loses
// entries, and returns ErrUnsynced.
func TestSyncDirThatCouldNotOpenLosesNothing(t *testing.T) {
	for _, c := range []struct {
		err, cause error
		final      bool
	}{{syscall.EIO, syscall.EIO, true}, {NotOpened(syscall.EMFILE), syscall.EMFILE, false}} {
		m := NewMem(MemOptions{})
		faulty := NewFaulty(m, FaultyOptions{Plan: FailNth(0, c.err, OpSyncDir)})
		writeFile(t, faulty, "a", "1")
		err := faulty.SyncDir("/")
		require.ErrorIs(t, err, c.cause)
		require.Equal(t, c.final, errors.Is(err, vfs.ErrUnsynced), "%v", err)
		require.NoError(t, faulty.SyncDir("/"))
		_, kept := tree(t, m.CrashClone(keepNothing))["a"]
		require.Equal(t, !c.final, kept)
	}
}
