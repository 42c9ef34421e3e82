package vfstest

import (
	"bytes"
	"math"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMemNamesAreCleanedAndRelativeToTheRoot(t *testing.T) {
	m := NewMem(MemOptions{})
	require.NoError(t, m.MkdirAll("d/e"))
	writeFile(t, m, "/d//e/../a", "1")
	for _, name := range []string{"d/a", "/d/a", "./d/a", "../d/a", "d/e/../a"} {
		require.Equal(t, "1", readFile(t, m, name), name)
	}
	require.Error(t, m.Remove("/"))
	require.Error(t, m.RemoveAll("."))
	names, err := m.List(".")
	require.NoError(t, err)
	require.Equal(t, []string{"d"}, names)
}

func TestMemFullDiskTakesWhatFits(t *testing.T) {
	m := NewMem(MemOptions{MaxBytes: 10})
	writeFile(t, m, "a", "123456")
	f, err := m.Create("b")
	require.NoError(t, err)
	n, err := f.Write([]byte("abcdef"))
	require.Equal(t, 4, n)
	requireError(t, err, syscall.ENOSPC)
	n, err = f.Write([]byte("g"))
	require.Zero(t, n)
	requireError(t, err, syscall.ENOSPC)
	require.Equal(t, "abcd", readFile(t, m, "b"))
	_, err = m.CrashClone(CrashOptions{Keep: 1}).Create("c") // names are free
	require.NoError(t, err)

	require.NoError(t, m.Link("a", "a2"))
	require.NoError(t, m.Remove("a"))
	_, err = f.Write([]byte("e"))
	require.ErrorIs(t, err, syscall.ENOSPC, "a second name holds the space")
	require.NoError(t, m.Rename("b", "a2"))
	_, err = f.Write([]byte("ef"))
	require.NoError(t, err, "replaced by rename, a gave its space back")

	require.NoError(t, m.RemoveAll("a2"))
	g, err := m.Create("c")
	require.NoError(t, err)
	n, err = g.Write(bytes.Repeat([]byte("x"), 10))
	require.Equal(t, 4, n)
	require.ErrorIs(t, err, syscall.ENOSPC, "an open handle holds the space")
	require.NoError(t, f.Close())
	_, err = g.Write(bytes.Repeat([]byte("x"), 6))
	require.NoError(t, err)
}

// A removed file survives the crash although another file has used its space.
func TestMemCrashCloneMayExceedTheLimit(t *testing.T) {
	m := NewMem(MemOptions{MaxBytes: 10})
	durableFile(t, m, "123456")
	f, err := m.Create("b")
	require.NoError(t, err)
	require.NoError(t, m.SyncDir("/"))
	require.NoError(t, m.Remove("123456"))
	_, err = f.Write(bytes.Repeat([]byte("x"), 10))
	require.NoError(t, err)
	require.NoError(t, f.Sync())

	over := m.CrashClone(keepNothing)
	require.Len(t, tree(t, over), 2)
	f, err = over.Create("c")
	require.NoError(t, err)
	n, err := f.Write([]byte("x"))
	require.Zero(t, n)
	require.ErrorIs(t, err, syscall.ENOSPC)
}

func TestMemCrashCloneKeepsTheLimit(t *testing.T) {
	m := NewMem(MemOptions{MaxBytes: 10})
	writeFile(t, m, "a", "123456")
	writeFile(t, m, "b", "1234")
	require.NoError(t, m.Link("a", "c"))
	full := m.CrashClone(CrashOptions{Keep: 1})
	f, err := full.Create("d")
	require.NoError(t, err)
	_, err = f.Write([]byte("x"))
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.NoError(t, full.Remove("a"))
	require.NoError(t, full.Remove("c"))
	_, err = f.Write([]byte("123456"))
	require.NoError(t, err)
}

func TestFreeBytesOfMemIsItsLimitLessAllFiles(t *testing.T) {
	m := NewMem(MemOptions{MaxBytes: 100})
	f, err := m.Create("a")
	require.NoError(t, err)
	_, err = f.Write(make([]byte, 70))
	require.NoError(t, err)
	free, err := m.FreeBytes("/")
	require.NoError(t, err)
	require.EqualValues(t, 30, free)
	free, err = m.CrashClone(keepNothing).FreeBytes("/")
	require.NoError(t, err)
	require.EqualValues(t, 100, free, "the name was lost")
	free, err = NewMem(MemOptions{}).FreeBytes("/")
	require.NoError(t, err)
	require.EqualValues(t, int64(math.MaxInt64), free)
}
