package weir_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
)

// Each of ten backends has a table, because a snapshot flushes its memtable, and reads a key of
// it.
func TestBackendsOfAPresetShareMaxOpenFiles(t *testing.T) {
	const backends = 10
	open := make(map[int]int)
	for _, limit := range []int{3, 0} {
		dir := t.TempDir()
		p, err := weir.LSM(t.Context(), fileURL(t), weir.LSMOptions{Dir: dir, MaxOpenFiles: limit})
		require.NoError(t, err)
		for range backends {
			b, err := p.Open(state.Options{})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, b.Close()) })
			k, v := declareBytes(t, b)
			require.NoError(t, k.SetKey(1))
			require.NoError(t, v.Set([]byte("value")))
			to, err := snapshot.NewDirectory(t.TempDir())
			require.NoError(t, err)
			running, err := snapshot.Start(t.Context(), b, to, snapshot.Options{Name: "s", Mode: snapshot.Full})
			require.NoError(t, err)
			_, err = running.Wait()
			require.NoError(t, err)
			_, ok, err := v.Get()
			require.NoError(t, err)
			require.True(t, ok)
		}
		open[limit] = openTables(t, dir)
	}
	require.LessOrEqual(t, open[3], 3)
	require.Equal(t, backends, open[0])
}

// openTables returns the number of open tables below dir.
func openTables(t *testing.T, dir string) (n int) {
	t.Helper()
	descriptors, err := filepath.Glob("/proc/self/fd/*")
	require.NoError(t, err)
	for _, d := range descriptors {
		if path, err := os.Readlink(d); err == nil && strings.HasPrefix(path, dir) && strings.HasSuffix(path, ".sst") {
			n++
		}
	}
	return n
}
