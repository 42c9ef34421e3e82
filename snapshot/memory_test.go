package snapshot_test

import (
	"bytes"
	"context"
	"io/fs"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/vfs"
)

// memory is a Source of files by name.
type memory map[string][]byte

// Open implements snapshot.Source.
func (m memory) Open(_ context.Context, name string) (snapshot.Object, error) {
	file, ok := m[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return object{bytes.NewReader(file)}, nil
}

type object struct{ *bytes.Reader }

func (o object) Size() (int64, error) { return o.Reader.Size(), nil }
func (object) Close() error           { return nil }

// directoryOn returns a Directory on a file system in memory.
func directoryOn(t testing.TB, fsys vfs.FS) *snapshot.Directory {
	d, err := snapshot.DirectoryOn(fsys, "snapshots")
	require.NoError(t, err)
	return d
}

// list returns all names in the directory of directoryOn, including those that begin with a dot.
func list(t testing.TB, fsys vfs.FS) []string {
	names, err := fsys.List("snapshots")
	require.NoError(t, err)
	return names
}
