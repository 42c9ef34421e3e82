package lsmstate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
	"github.com/weirstate/weir/vfs"
	"github.com/weirstate/weir/vfs/vfstest"
)

// fragile is a value whose codec calls a function of the test each time it encodes one. Its text is
// under the key 0.
type fragile struct{ texts map[float64]string }

// fragileCodec returns a codec that round-trips. It calls before at each access to the field; if that
// returns false, the value has no encoding.
func fragileCodec(before func() bool) codec.Codec[fragile] {
	broken := map[float64]string{}
	broken[math.NaN()], broken[math.NaN()] = "", "" // two keys with one encoding
	made := false                                   // Field calls the function once
	c := codec.Struct("fragile", 1, codec.Field("texts", func(f *fragile) *map[float64]string {
		if made && before != nil && !before() {
			return &broken
		}
		return &f.texts
	}, codec.Map(codec.Float[float64](), codec.String[string]())))
	made = true
	return c
}

// tieredTask is a backend with a hot tier, with a state of fragile values and one of strings.
type tieredTask struct {
	*nativeTask
	fragile state.ValueState[fragile]
}

func tieredOn(t *testing.T, fs vfs.FS, dir string, tier int64, before func() bool) *tieredTask {
	n := nativeOn(t, fs, dir, 0, 1, func(o *Options) { setTier(o, tier) })
	f, err := state.ValueOf(n.keyed, state.ValueDescriptor[fragile]{Name: "fragile", Codec: fragileCodec(before)})
	require.NoError(t, err)
	return &tieredTask{n, f}
}

func (n *tieredTask) setFragile(key, text string) {
	require.NoError(n.t, n.keyed.SetKey(key))
	require.NoError(n.t, n.fragile.Set(fragile{map[float64]string{0: text}}))
}

func (n *tieredTask) requireFragile(key, text string) {
	n.t.Helper()
	require.NoError(n.t, n.keyed.SetKey(key))
	v, ok, err := n.fragile.Get()
	require.NoError(n.t, err)
	require.True(n.t, ok, key)
	require.Equal(n.t, text, v.texts[0])
}

// A codec that fails or panics in the background fails the checkpoint, and then the writes that need
// a spill. When it works again, nothing is lost.
func TestCodecThatFailsInTheBackgroundLosesNothing(t *testing.T) {
	const secret = "secret"
	for name, failure := range map[string]func() bool{
		"error": func() bool { return false },
		"panic": func() bool { panic(secret) },
	} {
		t.Run(name, func(t *testing.T) {
			var failing atomic.Bool
			mem := newFS()
			n := tieredOn(t, mem, "one", 4<<10, func() bool { return !failing.Load() || failure() })
			s := newShelf(t, mem)
			for i := range 10 {
				n.setFragile(fmt.Sprint(i), secret+fmt.Sprint(i))
			}
			failing.Store(true)
			requireFailure := func(err error) {
				t.Helper()
				var source *lsm.SourceError
				require.ErrorAs(t, err, &source)
				require.ErrorIs(t, err, lsm.ErrStalled)
				require.NotContains(t, err.Error(), secret)
				var panicked *lsm.PanicError
				if name == "panic" {
					require.ErrorAs(t, err, &panicked)
					return
				}
				require.ErrorIs(t, err, codec.ErrUnencodable)
				require.ErrorContains(t, err, `state "fragile"`)
			}
			_, err := s.save(n, "broken", snapshot.Incremental)
			requireFailure(err)
			_, err = s.save(n, "broken-portable", snapshot.Portable)
			requireFailure(err)

			var stored []string // other states take writes until one needs a spill
			for err = nil; err == nil; {
				key := fmt.Sprint("key ", len(stored))
				require.NoError(t, n.keyed.SetKey(key))
				if err = n.value.Set(strings.Repeat("v", 100) + key); err == nil {
					stored = append(stored, key)
				}
				require.Less(t, len(stored), 1000)
			}
			requireFailure(err)
			require.Greater(t, len(stored), 10)

			failing.Store(false)
			check := func(n *tieredTask) {
				t.Helper()
				for i := range 10 {
					n.requireFragile(fmt.Sprint(i), secret+fmt.Sprint(i))
				}
				for _, key := range stored {
					v, ok := n.get(key)
					require.True(t, ok, key)
					require.Equal(t, strings.Repeat("v", 100)+key, v)
				}
				_, ok := n.get(fmt.Sprint("key ", len(stored)))
				require.False(t, ok, "a write that failed")
			}
			check(n)
			for name, mode := range map[string]snapshot.Mode{"native": snapshot.Incremental, "portable": snapshot.Portable} {
				h, err := s.save(n, name, mode)
				require.NoError(t, err)
				q := tieredOn(t, mem, name, 0, nil)
				require.NoError(t, q.restore(s, h))
				check(q)
			}
		})
	}
}

// A full disk fails the writes that need a spill. Nothing that was written before is lost, and
// writes succeed when the disk has room again.
func TestFullDiskDuringASpillLosesNothing(t *testing.T) {
	for _, tier := range tierSizes[1:3] {
		t.Run(fmt.Sprint(tier, " bytes"), func(t *testing.T) {
			var full atomic.Bool
			mem := newFS()
			plan := armedPlan(&full, fullPlan(ptr(true)))
			disk := vfstest.NewFaulty(mem, vfstest.FaultyOptions{Plan: plan})
			n := tieredOn(t, disk, "one", tier, nil)
			written := make(map[string]string)
			write := func(i, round int) error {
				key, text := fmt.Sprint(i%50), fmt.Sprint(round, strings.Repeat("x", 100))
				require.NoError(t, n.keyed.SetKey(key))
				err := n.value.Set(text)
				if err == nil {
					written[key] = text
				}
				return err
			}
			for round := range 3 {
				for i := range 100 {
					require.NoError(t, write(i, round))
				}
				full.Store(true)
				failed := 0
				for i := range 100 {
					if err := write(i, 10+round); err != nil {
						require.ErrorIs(t, err, syscall.ENOSPC)
						require.ErrorIs(t, err, lsm.ErrStalled)
						failed++
					}
				}
				require.Greater(t, failed, 10)
				full.Store(false)
				for key, text := range written {
					got, _ := n.get(key)
					require.Equal(t, text, got)
				}
			}
			s := newShelf(t, mem)
			h, err := s.save(n, "whole", snapshot.Incremental)
			require.NoError(t, err)
			q := tieredOn(t, mem, "two", 0, nil)
			require.NoError(t, q.restore(s, h))
			for key, text := range written {
				got, _ := q.get(key)
				require.Equal(t, text, got)
			}
		})
	}
}

func ptr[T any](v T) *T { return &v }

// gate is a function for fragileCodec that blocks in the background while the gate is closed, and
// counts its calls.
type gate struct {
	closed atomic.Bool
	open   chan struct{}
	passed atomic.Int64
}

func newGate() *gate { return &gate{open: make(chan struct{})} }

func (g *gate) pass() bool {
	if g.closed.Load() {
		<-g.open
	}
	g.passed.Add(1)
	return true
}

// release opens the gate for ever.
func (g *gate) release() { close(g.open) }

// The end of a snapshot's context does not end the encoding of the tier, which later snapshots need.
// Each row is encoded once.
func TestCanceledSnapshotDoesNotCancelTheEncoding(t *testing.T) {
	g := newGate()
	mem := newFS()
	n := tieredOn(t, mem, "one", 16<<20, g.pass)
	const rows = 100
	for i := range rows {
		n.setFragile(fmt.Sprint(i), fmt.Sprint("text ", i))
	}
	g.passed.Store(0)
	g.closed.Store(true)
	s := newShelf(t, mem)
	canceled, err := snapshot.Start(t.Context(), n, s, snapshot.Options{Name: "canceled", Mode: snapshot.Incremental})
	require.NoError(t, err)
	canceled.Cancel()
	_, err = canceled.Wait()
	require.ErrorIs(t, err, snapshot.ErrCanceled)
	require.False(t, n.tier.tier.IsInstalled(1))
	g.release()
	h, err := s.save(n, "whole", snapshot.Incremental)
	require.NoError(t, err)
	require.EqualValues(t, rows, g.passed.Load(), "encoded rows")
	q := tieredOn(t, mem, "two", 0, nil)
	require.NoError(t, q.restore(s, h))
	for i := range rows {
		q.requireFragile(fmt.Sprint(i), fmt.Sprint("text ", i))
	}
}

// Views that were taken while no row could be encoded have the rows of their times, whatever the order
// in which they are read.
func TestOverlappingViewsOfATierHaveTheirRows(t *testing.T) {
	g := newGate()
	mem := newFS()
	n := tieredOn(t, mem, "one", 16<<20, g.pass)
	n.setFragile("first", "text") // so that the gate stops all epochs
	g.closed.Store(true)
	const rounds = 6
	var views []snapshot.View
	want := make([]map[string]string, rounds)
	content := make(map[string]string)
	rng := rand.New(rand.NewPCG(1, 1))
	for round := range rounds {
		for range 30 {
			key := fmt.Sprint(rng.IntN(40))
			require.NoError(t, n.keyed.SetKey(key))
			if rng.IntN(3) == 0 {
				require.NoError(t, n.value.Clear())
				delete(content, key)
			} else {
				content[key] = fmt.Sprint(round)
				require.NoError(t, n.value.Set(content[key]))
			}
		}
		views = append(views, view1(t, n.Backend))
		want[round] = make(map[string]string)
		for key, v := range content {
			want[round][key] = v
		}
	}
	g.release()
	s := newShelf(t, mem)
	for _, round := range rng.Perm(rounds) {
		v := views[round]
		s.name = fmt.Sprint("view-", round)
		files, err := v.(snapshot.NativeView).WriteNative(t.Context(), s, s.name, func(int64) {})
		require.NoError(t, err)
		v.Close()
		q := tieredOn(t, mem, s.name, tierOf(t, s.name), nil)
		require.NoError(t, q.restore(s, snapshot.Handle{Keyspace: v.Keyspace(), States: v.States(), Format: nativeFormat, Files: files}))
		for i := range 40 {
			got, ok := q.get(fmt.Sprint(i))
			require.Equal(t, want[round][fmt.Sprint(i)], got, "key %d in round %d", i, round)
			require.Equal(t, got != "", ok)
		}
		q.requireFragile("first", "text")
	}
}

// The last view of a closed backend releases the pages of epochs that could not be encoded.
func TestCloseReleasesPendingEpochs(t *testing.T) {
	var failing atomic.Bool
	n := tieredOn(t, newFS(), "one", 16<<20, func() bool { return !failing.Load() })
	n.setFragile("k", "v")
	failing.Store(true)
	run, err := n.tier.tier.Freeze() // as hotTier.freeze
	require.NoError(t, err)
	_, err = n.db.SealWith(&tierSource{run: run, appends: &n.appends})
	require.NoError(t, err)
	n.set("other", "v")
	v := view1(t, n.Backend)
	require.NoError(t, n.Close())
	group := v.Keyspace().Groups.First
	require.ErrorIs(t, v.Rows(group, func(_, _ []byte) error { return nil }), codec.ErrUnencodable)
	failing.Store(false)
	entries := func() (n int) {
		require.NoError(t, run.Entries(func(backend.Op, []byte, []byte) error { n++; return nil }))
		return n
	}
	require.Equal(t, 1, entries())
	failing.Store(true)
	v.Close()
	failing.Store(false)
	require.Zero(t, entries(), "entries of a closed run")
}

// Rows that were read, or written and removed, before a restore do not hide restored rows.
func TestRestoreReplacesWhatTheTierKnows(t *testing.T) {
	for _, mode := range []snapshot.Mode{snapshot.Portable, snapshot.Incremental} {
		t.Run(fmt.Sprint(mode), func(t *testing.T) {
			mem := newFS()
			s := newShelf(t, mem)
			n := tieredOn(t, mem, "one", 0, nil)
			for i := range 30 {
				n.set(fmt.Sprint(i), "restored")
			}
			h, err := s.save(n, "first", mode)
			require.NoError(t, err)
			q := tieredOn(t, mem, "two", 16<<20, nil)
			for i := range 30 {
				_, ok := q.get(fmt.Sprint(i))
				require.False(t, ok)
				if mode != snapshot.Portable { // a native restore refuses a backend that was written to
					continue
				}
				switch i % 3 {
				case 1:
					require.NoError(t, q.value.Set("before"))
					require.NoError(t, q.value.Clear())
				case 2:
					q.tier.tier.Evict(0)
					require.NoError(t, q.value.Clear())
				}
			}
			require.NoError(t, q.restore(s, h))
			for range 2 {
				for i := range 30 {
					got, _ := q.get(fmt.Sprint(i))
					require.Equal(t, "restored", got)
				}
				require.NoError(t, q.tier.wait())
				require.True(t, q.tier.tier.Evict(0))
			}
		})
	}
}

// A restore refuses a backend whose rows are in the tier only.
func TestRestoreRefusesRowsInTheTier(t *testing.T) {
	for _, mode := range []snapshot.Mode{snapshot.Portable, snapshot.Incremental} {
		mem := newFS()
		s := newShelf(t, mem)
		h, err := s.save(tieredOn(t, mem, "one", 0, nil), "empty", mode)
		require.NoError(t, err)
		q := tieredOn(t, mem, "two", 16<<20, nil)
		q.set("k", "v")
		require.ErrorIs(t, q.restore(s, h), state.ErrNotEmpty)
	}
}
