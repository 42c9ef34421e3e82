package weir_test

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir"
	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/statetest"
)

// fileURL returns the URL of a new directory.
func fileURL(t testing.TB) string {
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(t.TempDir())}).String()
}

func TestBackendsOfHeapPresetsConform(t *testing.T) {
	for name, index := range map[string]weir.Index{"hash": weir.Hash, "btree": weir.BTree} {
		memory, err := weir.Memory(weir.MemoryOptions{Index: index})
		require.NoError(t, err)
		fs, err := weir.Fs(context.Background(), fileURL(t), weir.FsOptions{Index: index})
		require.NoError(t, err)
		for kind, p := range map[string]*weir.Preset{"memory": memory, "fs": fs} {
			t.Run(kind+" "+name, func(t *testing.T) {
				open := func(_ testing.TB, o state.Options) (snapshot.Backend, error) { return p.Open(o) }
				statetest.Random(t, open, 500)
			})
		}
	}
}

func TestPresetsUseTheChosenIndex(t *testing.T) {
	for index, want := range map[weir.Index]string{weir.Hash: "*slotindex.hashIndex", weir.BTree: "*heapstate.treeIndex"} {
		memory, err := weir.Memory(weir.MemoryOptions{Index: index})
		require.NoError(t, err)
		require.Equal(t, want, indexOf(t, memory))
		fs, err := weir.Fs(context.Background(), fileURL(t), weir.FsOptions{Index: index})
		require.NoError(t, err)
		require.Equal(t, want, indexOf(t, fs))
	}
}

// indexOf returns the type of the index that p's backends give to a state.
func indexOf(t testing.TB, p *weir.Preset) string {
	b, err := p.Open(state.Options{})
	require.NoError(t, err)
	index, err := b.(backend.HeapBackend).AddTable(backend.Info{Name: "probe"}, nil)
	require.NoError(t, err)
	return fmt.Sprintf("%T", index)
}

func TestPresetsRefuseInvalidOptions(t *testing.T) {
	_, err := weir.Memory(weir.MemoryOptions{Index: 2})
	require.ErrorIs(t, err, state.ErrInvalid)
	_, err = weir.Fs(context.Background(), fileURL(t), weir.FsOptions{Index: 2})
	require.ErrorIs(t, err, state.ErrInvalid)
	_, err = weir.Fs(context.Background(), "gopher://there", weir.FsOptions{})
	require.ErrorIs(t, err, checkpoint.ErrURL)
	_, err = weir.Fs(context.Background(), fileURL(t), weir.FsOptions{Checkpoints: checkpoint.StorageOptions{InlineBytes: 2 << 20}})
	require.ErrorIs(t, err, checkpoint.ErrInvalidOption)
}

func TestFailedOpenReturnsANilInterface(t *testing.T) {
	for _, index := range []weir.Index{weir.Hash, weir.BTree} {
		p, err := weir.Memory(weir.MemoryOptions{Index: index})
		require.NoError(t, err)
		b, err := p.Open(state.Options{Keyspace: state.SubtaskKeyspace(2, 1, 1)})
		require.ErrorIs(t, err, state.ErrInvalid)
		require.True(t, b == nil)
	}
}
