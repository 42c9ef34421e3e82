package meter_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"

	"example.org/outside/meter"
)

func TestMeterConforms(t *testing.T) {
	vfstest.Run(t, func(t *testing.T) (vfs.FS, string) { return meter.New(vfs.Real{}), t.TempDir() })
}

func TestMeterCountsTheFilesOfAStore(t *testing.T) {
	fsys := meter.New(vfs.Real{})
	db, err := lsm.Open(context.Background(), t.TempDir(), lsm.Options{FS: fsys, Log: lsm.LogSynced})
	require.NoError(t, err)
	before, syncs := fsys.WrittenBytes.Load(), fsys.Syncs.Load()
	require.NoError(t, db.Put([]byte("key"), make([]byte, 10_000)))
	require.Greater(t, fsys.WrittenBytes.Load(), before+10_000)
	require.Greater(t, fsys.Syncs.Load(), syncs)
	require.NoError(t, db.Close())
}
