package wal

import (
	"bytes"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

// memOf returns a file system with a log that has the given bytes.
func memOf(t testing.TB, content []byte) *vfstest.Mem {
	mem := vfstest.NewMem(vfstest.MemOptions{})
	f, err := mem.Create(logName)
	require.NoError(t, err)
	_, err = f.Write(content)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	return mem
}

// content returns the bytes of the log's file.
func content(t testing.TB, fsys vfs.FS) []byte {
	f, err := fsys.Open(logName)
	require.NoError(t, err)
	b, err := io.ReadAll(f)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	return b
}

// frames returns the positions of the frames of an undamaged log, and of its end.
func frames(log []byte) (at []int) {
	tag := log[12:][:tagBytes]
	for i := headerBytes; i < len(log); {
		if !bytes.Equal(log[i:][:tagBytes], tag) {
			panic("no frame")
		}
		at = append(at, i)
		i += frameBytes + int(log[i+32])<<16 + int(log[i+33])<<8 + int(log[i+34])
	}
	return append(at, len(log))
}

// dataFrames returns the positions of the frames with records, and of the end of the log.
func dataFrames(log []byte) (at []int) {
	all := frames(log)
	for _, i := range all[:len(all)-1] {
		if log[i+frameBytes-1] == kindData {
			at = append(at, i)
		}
	}
	return append(at, len(log))
}

// frameBefore returns the position of the frame of an undamaged log that contains a position.
func frameBefore(log []byte, position int) int {
	before := 0
	for _, at := range frames(log) {
		if at <= position {
			before = at
		}
	}
	return before
}
