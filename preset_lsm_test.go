package weir_test

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir"
	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
	"github.com/weirstate/weir/state/statetest"
)

func TestBackendsOfTheLSMPresetConform(t *testing.T) {
	p, err := weir.LSM(context.Background(), fileURL(t), weir.LSMOptions{Dir: t.TempDir(), BudgetBytes: 8 << 20})
	require.NoError(t, err)
	require.Equal(t, snapshot.Incremental, p.Mode)
	open := func(_ testing.TB, o state.Options) (snapshot.Backend, error) { return p.Open(o) }
	statetest.Random(t, open, 300)
	statetest.RandomNative(t, open, p.Mode, 300)
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
			require.Implements(t, (*snapshot.NativeBackend)(nil), b)
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

// A restore needs no table of the storage while there are local copies.
func TestLocalRecovery(t *testing.T) {
	ctx, url := context.Background(), fileURL(t)
	open := func(local bool) (snapshot.Backend, *weir.Preset) {
		p, err := weir.LSM(ctx, url, weir.LSMOptions{Dir: t.TempDir(), LocalRecovery: local})
		require.NoError(t, err)
		b, err := p.Open(state.Options{})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, b.Close()) })
		return b, p
	}
	declare := func(b snapshot.Backend) (*state.Keyed[int64], state.ValueState[[]byte]) {
		k, err := state.NewKeyed(b, codec.Int[int64]())
		require.NoError(t, err)
		v, err := state.ValueOf(k, state.ValueDescriptor[[]byte]{Name: "value", Codec: codec.Bytes()})
		require.NoError(t, err)
		return k, v
	}
	b, p := open(true)
	k, v := declare(b)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range int64(1000) {
		value := make([]byte, 1000)
		for j := range value {
			value[j] = byte(rng.Uint32())
		}
		require.NoError(t, k.SetKey(i))
		require.NoError(t, v.Set(value))
	}
	to, err := snapshot.NewDirectory(t.TempDir())
	require.NoError(t, err)
	running, err := snapshot.Start(ctx, b, to, snapshot.Options{Name: "s", Mode: snapshot.Full})
	require.NoError(t, err)
	h, err := running.Wait()
	require.NoError(t, err)
	require.Greater(t, len(h.Files), 1)
	for _, f := range h.Files[1:] {
		require.NoError(t, to.Remove(f.Name))
	}
	restored, err := p.Open(state.Options{})
	require.NoError(t, err)
	k, v = declare(restored)
	_, err = snapshot.Restore(ctx, restored, to, []snapshot.Handle{h}, snapshot.RestoreOptions{})
	require.NoError(t, err)
	require.NoError(t, k.SetKey(42))
	value, _, err := v.Get()
	require.NoError(t, err)
	require.Len(t, value, 1000)
	require.NoError(t, restored.Close())

	elsewhere, _ := open(false)
	declare(elsewhere)
	_, err = snapshot.Restore(ctx, elsewhere, to, []snapshot.Handle{h}, snapshot.RestoreOptions{})
	require.Error(t, err)
}

func TestLSMPresetByURL(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	for query, mode := range map[string]snapshot.Mode{"": snapshot.Incremental, "&incremental=false": snapshot.Full, "&incremental=true&local-recovery=true&budget=8MiB&inline=0B": snapshot.Incremental} {
		p, err := weir.Open(ctx, "lsm+"+fileURL(t)+"?dir="+filepath.ToSlash(dir)+query)
		require.NoError(t, err)
		require.Equal(t, mode, p.Mode)
	}
	for _, query := range []string{"dir=", "incremental=1", "local-recovery=1", "budget=0B", "index=hash"} {
		_, err := weir.Open(ctx, "lsm+"+fileURL(t)+"?"+query)
		require.ErrorIs(t, err, checkpoint.ErrURL, query)
	}
	_, err := weir.LSM(ctx, fileURL(t), weir.LSMOptions{Dir: dir, BudgetBytes: -1})
	require.ErrorIs(t, err, state.ErrInvalid)
	_, err = weir.LSM(ctx, "gopher://there", weir.LSMOptions{Dir: dir})
	require.ErrorIs(t, err, checkpoint.ErrURL)
}
