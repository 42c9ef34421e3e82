package lsmstate

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
	"github.com/weirstate/weir/vfs"
)

// shelf is a SharingTarget and Source in a directory. It links files if that is enabled.
type shelf struct {
	*snapshot.Directory
	fs        vfs.FS
	links     bool
	name      string // of the snapshot in progress
	confirmed map[snapshot.Identity]snapshot.FileRef
	written   int64 // bytes of the newest snapshot
}

const shelfDir = "shelf"

func newShelf(t *testing.T, fs vfs.FS) *shelf {
	d, err := snapshot.DirectoryOn(fs, shelfDir)
	require.NoError(t, err)
	return &shelf{Directory: d, fs: fs}
}

// Share implements snapshot.SharingTarget.
func (s *shelf) Share(ctx context.Context, suffix string) (snapshot.File, snapshot.FileRef, error) {
	ref := snapshot.FileRef{Name: "shared-" + s.name + "." + suffix, Shared: true}
	f, err := s.Create(ctx, ref.Name)
	return f, ref, err
}

// Confirmed implements snapshot.SharingTarget.
func (s *shelf) Confirmed(id snapshot.Identity) (snapshot.FileRef, bool) {
	ref, ok := s.confirmed[id]
	return ref, ok
}

// Link implements snapshot.LinkingSource.
func (s *shelf) Link(_ context.Context, name, path string) error {
	if !s.links {
		return context.Canceled
	}
	return s.fs.Link(filepath.Join(shelfDir, name), path)
}

// save takes a native snapshot and waits for it.
func (s *shelf) save(b snapshot.Backend, name string, mode snapshot.Mode) (snapshot.Handle, error) {
	s.name = name
	r, err := snapshot.Start(context.Background(), b, s, snapshot.Options{Name: name, Mode: mode, Synchronous: true})
	if err != nil {
		return snapshot.Handle{}, err
	}
	h, err := r.Wait()
	s.written = r.Progress().Bytes
	return h, err
}

// confirm allows later snapshots to refer to the files of the given handles only.
func (s *shelf) confirm(handles ...snapshot.Handle) {
	s.confirmed = make(map[snapshot.Identity]snapshot.FileRef)
	for _, h := range handles {
		for _, f := range h.Files {
			if f.Shared {
				s.confirmed[f.Identity] = f
			}
		}
	}
}

// nativeTask is a backend with declared states.
type nativeTask struct {
	t *testing.T
	*Backend
	keyed *state.Keyed[string]
	value state.ValueState[string]
	list  state.ListState[string]
}

const nativeGroups = 16

// nativeOn opens the backend of a subtask in its own directory. The size of its hot tier depends on
// the test and the directory.
func nativeOn(t *testing.T, fs vfs.FS, dir string, subtask, parallelism int, tune func(*Options)) *nativeTask {
	o := Options{Options: state.Options{Keyspace: state.SubtaskKeyspace(subtask, parallelism, nativeGroups)}, FS: fs}
	setTier(&o, tierOf(t, dir))
	if tune != nil {
		tune(&o)
	}
	b, err := Create(dir, o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	k, err := state.NewKeyed(b, codec.String[string]())
	require.NoError(t, err)
	return &nativeTask{t, b, k, valueOn(t, k), listOn(t, k)}
}

func (n *nativeTask) set(key, value string) {
	require.NoError(n.t, n.keyed.SetKey(key))
	require.NoError(n.t, n.value.Set(value))
}

// owns makes a key the current key and reports whether the subtask owns it.
func (n *nativeTask) owns(key string) bool { return n.keyed.SetKey(key) == nil }

func (n *nativeTask) get(key string) (string, bool) {
	require.NoError(n.t, n.keyed.SetKey(key))
	v, ok, err := n.value.Get()
	require.NoError(n.t, err)
	return v, ok
}

func (n *nativeTask) restore(src snapshot.Source, handles ...snapshot.Handle) error {
	_, err := snapshot.Restore(context.Background(), n.Backend, src, handles, snapshot.RestoreOptions{})
	return err
}
