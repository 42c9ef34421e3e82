package weir_test

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir"
	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/lsm"
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

func TestOpenBackendsHaveTheirOwnDirectoriesAndClosedOnesFreeThem(t *testing.T) {
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

// declareBytes declares a value of bytes for each number.
func declareBytes(t *testing.T, b snapshot.Backend) (*state.Keyed[int64], state.ValueState[[]byte]) {
	t.Helper()
	k, err := state.NewKeyed(b, codec.Int[int64]())
	require.NoError(t, err)
	v, err := state.ValueOf(k, state.ValueDescriptor[[]byte]{Name: "value", Codec: codec.Bytes()})
	require.NoError(t, err)
	return k, v
}

// The test removes the tables from the storage: only local copies can restore them.
func TestLocalRecoveryNeedsNoTableOfTheStorage(t *testing.T) {
	ctx, url := context.Background(), fileURL(t)
	open := func(local bool) (snapshot.Backend, *weir.Preset) {
		p, err := weir.LSM(ctx, url, weir.LSMOptions{Dir: t.TempDir(), LocalRecovery: local})
		require.NoError(t, err)
		b, err := p.Open(state.Options{})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, b.Close()) })
		return b, p
	}
	b, p := open(true)
	k, v := declareBytes(t, b)
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
	k, v = declareBytes(t, restored)
	_, err = snapshot.Restore(ctx, restored, to, []snapshot.Handle{h}, snapshot.RestoreOptions{})
	require.NoError(t, err)
	require.NoError(t, k.SetKey(42))
	value, _, err := v.Get()
	require.NoError(t, err)
	require.Len(t, value, 1000)
	require.NoError(t, restored.Close())

	elsewhere, _ := open(false)
	declareBytes(t, elsewhere)
	_, err = snapshot.Restore(ctx, elsewhere, to, []snapshot.Handle{h}, snapshot.RestoreOptions{})
	require.Error(t, err)
}

func TestLSMURLSetsItsOptions(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	for query, mode := range map[string]snapshot.Mode{
		"":                                      snapshot.Incremental,
		"&incremental=false":                    snapshot.Full,
		"&snapshots=native":                     snapshot.Incremental,
		"&snapshots=portable&incremental=false": snapshot.Portable,
		"&incremental=true&local-recovery=true&budget=8MiB&inline=0B": snapshot.Incremental,
		"&compression=none&max-open-files=1":                          snapshot.Incremental,
		"&tier=true&budget=8MiB":                                      snapshot.Incremental,
		"&compression=s2,zstd&max-open-files=2147483647&sync=true":    snapshot.Incremental,
	} {
		p, err := weir.Open(ctx, "lsm+"+fileURL(t)+"?dir="+filepath.ToSlash(dir)+query)
		require.NoError(t, err)
		require.Equal(t, mode, p.Mode)
		require.NoError(t, p.Close())
	}
	for _, query := range []string{
		"dir=", "incremental=1", "snapshots=full", "local-recovery=1", "tier=1", "budget=0B", "index=hash",
		"compression=", "compression=S2", "compression=s2,", "max-open-files=0", "max-open-files=2147483648",
	} {
		_, err := weir.Open(ctx, "lsm+"+fileURL(t)+"?"+query)
		require.ErrorIs(t, err, checkpoint.ErrURL, query)
	}
	for _, o := range []weir.LSMOptions{{BudgetBytes: -1}, {MaxOpenFiles: -1}, {Compression: []lsm.Compression{lsm.S2, lsm.Zstd + 1}}} {
		o.Dir = dir
		_, err := weir.LSM(ctx, fileURL(t), o)
		require.ErrorIs(t, err, state.ErrInvalid)
	}
	_, err := weir.LSM(ctx, "gopher://there", weir.LSMOptions{Dir: dir})
	require.ErrorIs(t, err, checkpoint.ErrURL)
}

// Values of 100 equal bytes shrink under Zstd; the Flushed event tells the size of the file.
func TestTreesUseTheCompressionAndTheEventsOfTheirPreset(t *testing.T) {
	sizes := make(map[lsm.Compression]int64)
	for _, c := range []lsm.Compression{lsm.NoCompression, lsm.Zstd} {
		var flushed atomic.Int64
		p, err := weir.LSM(t.Context(), fileURL(t), weir.LSMOptions{
			Dir: t.TempDir(), Compression: []lsm.Compression{c},
			Events: lsm.Events{Flushed: func(f lsm.FlushInfo) { flushed.Add(f.Bytes) }},
		})
		require.NoError(t, err)
		b, err := p.Open(state.Options{})
		require.NoError(t, err)
		k, v := declareBytes(t, b)
		for i := range int64(1000) {
			require.NoError(t, k.SetKey(i))
			require.NoError(t, v.Set(make([]byte, 100)))
		}
		to, err := snapshot.NewDirectory(t.TempDir())
		require.NoError(t, err)
		running, err := snapshot.Start(t.Context(), b, to, snapshot.Options{Name: "s", Mode: snapshot.Full})
		require.NoError(t, err)
		_, err = running.Wait()
		require.NoError(t, err)
		require.NoError(t, b.Close())
		require.NoError(t, p.Close())
		sizes[c] = flushed.Load()
	}
	require.Greater(t, sizes[lsm.NoCompression], int64(100_000))
	require.Less(t, 3*sizes[lsm.Zstd], sizes[lsm.NoCompression])
}

// restart opens a preset, restores the newest checkpoint of the job "move" on one backend, and
// takes a checkpoint. It returns the value of key 1 before the checkpoint, in which the value
// is one more.
func restart(t *testing.T, url string) (value int64, err error) {
	t.Helper()
	ctx := context.Background()
	p, err := weir.Open(ctx, url)
	require.NoError(t, err)
	defer func() { require.NoError(t, p.Close()) }()
	c, err := checkpoint.NewCoordinator(ctx, checkpoint.Options{Job: "move", Storage: p.Storage})
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	host := &oneBackend{t: t, mode: p.Mode}
	host.attempt, err = c.Begin(ctx, host, []checkpoint.Subtasks{{Operator: "one", Parallelism: 1}})
	require.NoError(t, err)
	host.backend, err = p.Open(state.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, host.backend.Close()) }()
	keyed, err := state.NewKeyed(host.backend, codec.Int[int64]())
	require.NoError(t, err)
	count, err := state.ValueOf(keyed, state.ValueDescriptor[int64]{Name: "count", Codec: codec.Int[int64]()})
	require.NoError(t, err)
	if err := host.attempt.Restore(ctx, host.backend, "one"); err != nil {
		return 0, err
	}
	require.NoError(t, keyed.SetKey(1))
	value, _, err = count.Get()
	require.NoError(t, err)
	require.NoError(t, count.Set(value+1))
	_, err = host.attempt.TriggerAndWait(ctx)
	return value, err
}

// oneBackend implements checkpoint.Tasks for one backend.
type oneBackend struct {
	t       *testing.T
	attempt *checkpoint.Attempt
	backend snapshot.Backend
	mode    snapshot.Mode
}

func (o *oneBackend) Trigger(tr checkpoint.Trigger) {
	_, err := o.attempt.Upload(tr.ID, "one", 0).Snapshot(o.backend, snapshot.Options{Mode: o.mode}, nil)
	assert.NoError(o.t, err)
}
func (o *oneBackend) Complete(checkpoint.Stats)             {}
func (o *oneBackend) Aborted(_ checkpoint.ID, reason error) { assert.NoError(o.t, reason) }
func (o *oneBackend) Fail(reason error)                     { assert.NoError(o.t, reason) }

func TestPortableCheckpointsMoveAJobFromLSMBackToFs(t *testing.T) {
	storage := fileURL(t)
	for i, scheme := range []string{"fs+", "lsm+", "lsm+"} {
		value, err := restart(t, scheme+storage)
		require.NoError(t, err)
		require.EqualValues(t, i, value)
	}
	_, err := restart(t, "fs+"+storage)
	require.ErrorIs(t, err, snapshot.ErrFormat)
	require.ErrorContains(t, err, "an lsm+ URL")
	require.ErrorContains(t, err, "snapshots=portable")

	for i, url := range []string{"lsm+" + storage + "?snapshots=portable&incremental=true", "fs+" + storage, "lsm+" + storage + "?snapshots=native"} {
		value, err := restart(t, url)
		require.NoError(t, err, url)
		require.EqualValues(t, 3+i, value)
	}
}
