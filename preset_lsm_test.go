package weir_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir"
	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/lsmstate"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/statetest"
)

func TestBackendsOfTheLSMPresetConform(t *testing.T) {
	p, err := weir.LSM(context.Background(), fileURL(t), weir.LSMOptions{Dir: t.TempDir(), BudgetBytes: 8 << 20})
	require.NoError(t, err)
	require.Equal(t, snapshot.Incremental, p.Mode)
	open := func(_ testing.TB, o state.Options) (snapshot.Backend, error) { return p.Open(o) }
	statetest.Random(t, open, 1, 300)
	statetest.RandomNative(t, open, p.Mode, 1, 300)
}

func TestBackendsOfOnePresetHaveDirectoriesOfTheirOwnAndUseThemAgain(t *testing.T) {
	dir := t.TempDir()
	one, err := weir.LSM(context.Background(), fileURL(t), weir.LSMOptions{Dir: dir, Full: true})
	require.NoError(t, err)
	require.Equal(t, snapshot.Full, one.Mode)
	two, err := weir.LSM(context.Background(), fileURL(t), weir.LSMOptions{Dir: dir})
	require.NoError(t, err)
	for range 3 {
		var backends []snapshot.Backend
		for _, p := range []*weir.Preset{one, one, two} {
			b, err := p.Open(state.Options{})
			require.NoError(t, err)
			require.IsType(t, &lsmstate.Backend{}, b)
			backends = append(backends, b)
		}
		for _, b := range backends {
			require.NoError(t, b.Close())
		}
	}
	dirs, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	require.Len(t, dirs, 3)
}

func TestLSMPresetByURL(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	for query, mode := range map[string]snapshot.Mode{"": snapshot.Incremental, "&incremental=false": snapshot.Full, "&incremental=true&budget=8MiB&inline=0B": snapshot.Incremental} {
		p, err := weir.Open(ctx, "lsm+"+fileURL(t)+"?dir="+filepath.ToSlash(dir)+query)
		require.NoError(t, err)
		require.Equal(t, mode, p.Mode)
	}
	for _, query := range []string{"dir=", "incremental=1", "budget=0B", "index=hash"} {
		_, err := weir.Open(ctx, "lsm+"+fileURL(t)+"?"+query)
		require.ErrorIs(t, err, checkpoint.ErrURL, query)
	}
	_, err := weir.LSM(ctx, fileURL(t), weir.LSMOptions{Dir: dir, BudgetBytes: -1})
	require.ErrorIs(t, err, state.ErrInvalid)
	_, err = weir.LSM(ctx, "gopher://there", weir.LSMOptions{Dir: dir})
	require.ErrorIs(t, err, checkpoint.ErrURL)
}
