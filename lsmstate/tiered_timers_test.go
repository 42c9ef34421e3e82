package lsmstate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/heapstate"
	"github.com/weirstate/weir/internal/density"
	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
)

// tieredTimers is a backend with a tier for its timers. The test ends epochs and installs them.
type tieredTimers struct {
	*Backend
	t       *testing.T
	tier    *backend.Tier
	pending []*timerRun // not written to the tree
	written []*timerRun // written to the tree, but the backend does not know it yet
}

// timerRun is an epoch of timers. A goroutine encodes it.
type timerRun struct {
	epoch   uint32
	entries []run.Entry
	encoded chan error
}

var errEncoding = errors.New("encoding failed")

// newTieredTimers returns a backend whose keyed state is of strings.
func newTieredTimers(t *testing.T, o Options) (*tieredTimers, *state.Keyed[string]) {
	b, err := Create(dir, o)
	require.NoError(t, err)
	k, err := state.NewKeyed(b, codec.String[string]())
	require.NoError(t, err)
	tier := backend.NewTier(b.Registry(), 1<<40, func() error { return nil }, func() {})
	return &tieredTimers{Backend: b, t: t, tier: tier}, k
}

// declare declares a timer service.
func (b *tieredTimers) declare(k *state.Keyed[string], name string) *state.Timers[string] {
	timers, err := state.TimersOf(k, name)
	require.NoError(b.t, err)
	for _, q := range b.timers[backend.IDOf(name)] {
		q.tier = b.tier
	}
	return timers
}

// freeze ends an epoch. A goroutine encodes it, at first until an error after some entries.
func (b *tieredTimers) freeze(failAfter int) {
	frozen := b.freezeTimers(b.tier.Epoch())
	r := &timerRun{epoch: b.tier.Epoch(), encoded: make(chan error, 1)}
	rows, err := b.tier.Freeze()
	require.NoError(b.t, err)
	rows.Close()
	b.pending = append(b.pending, r)
	go func() {
		defer frozen.close()
		err := frozen.entries(func(*run.Entry) error {
			if failAfter--; failAfter < 0 {
				return errEncoding
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEncoding) {
			r.encoded <- err
			return
		}
		r.encoded <- frozen.entries(func(e *run.Entry) error {
			if n := len(r.entries); n > 0 && bytes.Compare(r.entries[n-1].Key, e.Key) >= 0 {
				return fmt.Errorf("key %x follows %x", e.Key, r.entries[n-1].Key)
			}
			value := run.Value{Bytes: bytes.Clone(e.Value.Bytes)}
			r.entries = append(r.entries, run.Entry{Key: bytes.Clone(e.Key), Kind: e.Kind, Value: value})
			return nil
		})
	}()
}

// write writes the oldest pending epoch to the tree.
func (b *tieredTimers) write() []run.Entry {
	r := b.pending[0]
	b.pending = b.pending[1:]
	b.written = append(b.written, r)
	require.NoError(b.t, <-r.encoded)
	for _, e := range r.entries {
		if e.Kind == run.Delete {
			require.NoError(b.t, b.db.Delete(e.Key))
		} else {
			require.Equal(b.t, run.Set, e.Kind)
			require.NoError(b.t, b.db.Put(e.Key, e.Value.Bytes))
		}
	}
	return r.entries
}

// install tells the backend about the oldest epoch that was written.
func (b *tieredTimers) install() {
	b.tier.Install(b.written[0].epoch)
	b.timersInstalled(b.written[0].epoch)
	b.written = b.written[1:]
}

// flush ends the epoch and installs everything. It returns the entries of the epoch.
func (b *tieredTimers) flush() (entries []run.Entry) {
	b.freeze(0)
	for len(b.pending) > 0 {
		entries = b.write()
	}
	for len(b.written) > 0 {
		b.install()
	}
	return entries
}

// checkBytes checks the memory that the timers have charged.
func (b *tieredTimers) checkBytes() {
	want := int64(0)
	for _, service := range b.timers {
		for _, q := range service {
			sum := func(t timer) bool {
				if !t.has(isRest) {
					want += t.bytes()
				}
				return true
			}
			q.memory.Ascend(sum)
			q.epoch.deleted.Ascend(sum)
			for _, e := range q.pending {
				e.deleted.Ascend(sum)
			}
		}
	}
	require.Equal(b.t, want, b.tier.Bytes())
}

// Epochs end, are encoded, written and installed at random operations. After each of these steps the
// timers are those of the heap backend, and the tree has those of the last epoch that was written. The
// tree is compacted between them.
func TestTieredTimersFireAsThoseOfTheHeapBackend(t *testing.T) {
	for seed := range density.Of(t, uint64(60), 500, 5000) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { runTieredTimers(t, seed, 1000) })
	}
}

func runTieredTimers(t *testing.T, seed uint64, steps int) {
	rng := rand.New(rand.NewPCG(seed, 1))
	o := state.Options{Keyspace: state.WholeKeyspace(1 + rng.IntN(3))}
	b, k := newTieredTimers(t, Options{Options: o, FS: newFS(), tune: inFiles, timersPerGroup: 1 + rng.IntN(5)})
	heap, err := heapstate.NewHash(o)
	require.NoError(t, err)
	of, err := state.NewKeyed(heap, codec.String[string]())
	require.NoError(t, err)
	type pair struct{ got, want *state.Timers[string] }
	var services []pair
	for _, name := range []string{"timers", "others"} {
		want, err := state.TimersOf(of, name)
		require.NoError(t, err)
		services = append(services, pair{b.declare(k, name), want})
	}
	var frozen []snapshot.View // of heap, at each epoch that is not written
	written, err := heap.View()
	require.NoError(t, err)
	span, registers := int64(10+rng.IntN(200)), 30+rng.IntN(30)
	for step := range steps {
		key, timestamp, op := fmt.Sprint(rng.IntN(5)), rng.Int64N(span), rng.IntN(100)
		timers, domain := services[rng.IntN(2)], state.Domain(rng.IntN(2))
		require.NoError(t, k.SetKey(key))
		require.NoError(t, of.SetKey(key))
		switch {
		case op < registers:
			require.NoError(t, timers.got.Register(domain, timestamp, nil))
			require.NoError(t, timers.want.Register(domain, timestamp, nil))
		case op < 70:
			require.NoError(t, timers.got.Delete(domain, timestamp, nil))
			require.NoError(t, timers.want.Delete(domain, timestamp, nil))
		case op < 76:
			require.Equal(t, fireDomain(t, timers.want, domain, timestamp), fireDomain(t, timers.got, domain, timestamp), "step %d", step)
		case op < 82:
			view, err := heap.View()
			require.NoError(t, err)
			frozen = append(frozen, view)
			b.freeze(rng.IntN(10))
		case op < 88:
			if len(b.pending) > 0 {
				b.write()
				written.Close()
				written, frozen = frozen[0], frozen[1:]
			}
		case op < 94:
			if len(b.written) > 0 {
				b.install()
			}
		case op < 97:
			b.evictTimers(rng.Float64())
		case op < 98:
			require.NoError(t, b.db.Compact(context.Background()))
		default:
			view := view1(t, b.Backend)
			require.Equal(t, rowsOf(t, written), rowsOf(t, view), "step %d", step)
			view.Close()
		}
		if op%3 == 0 {
			got, gotOK, err := timers.got.Next(domain)
			require.NoError(t, err)
			want, wantOK, err := timers.want.Next(domain)
			require.NoError(t, err)
			require.Equal(t, wantOK, gotOK, "step %d", step)
			require.Equal(t, want, got, "step %d", step)
		}
		got, err := timers.got.Len(domain)
		require.NoError(t, err)
		want, err := timers.want.Len(domain)
		require.NoError(t, err)
		require.Equal(t, want, got, "step %d", step)
		b.checkBytes()
	}
	for _, view := range append(frozen, written) {
		view.Close()
	}
	b.flush()
	sameRows(t, heap, b.Backend)
	require.NoError(t, b.Close())
}

func fireDomain(t *testing.T, timers *state.Timers[string], d state.Domain, now int64) (fired []string) {
	require.NoError(t, timers.Advance(d, now, func(timer state.Timer[string]) error {
		fired = append(fired, fmt.Sprintf("%d %s", timer.Timestamp, timer.Key))
		return nil
	}))
	return fired
}

// sectionsOf returns the sections of entries, with "-" for a deleted row.
func sectionsOf(entries []run.Entry) (sections []string) {
	for _, e := range entries {
		name := [...]string{"mark", "late", "timer"}[section(e.Key[backend.HeaderSize]).kind()]
		if e.Kind == run.Delete {
			name = "-" + name
		}
		sections = append(sections, name)
	}
	return sections
}

// A timer that is registered and fires or is deleted in one epoch never gets into the tree, and a
// timer that has fired needs no tombstone.
func TestTimersOfOneEpochNeverReachTheTree(t *testing.T) {
	b, k := newTieredTimers(t, Options{Options: oneGroup(), FS: newFS()})
	timers := b.declare(k, "timers")
	require.NoError(t, k.SetKey("k"))
	register := func(timestamps ...int64) {
		for _, at := range timestamps {
			require.NoError(t, timers.Register(state.EventTime, at, nil))
		}
	}
	remove := func(timestamps ...int64) {
		for _, at := range timestamps {
			require.NoError(t, timers.Delete(state.EventTime, at, nil))
		}
	}
	register(10, 20, 30)
	remove(10, 20, 30)
	require.True(t, b.timersWritten())
	require.Empty(t, b.flush())
	require.False(t, b.timersWritten())
	register(10, 20, 30)
	require.Len(t, fire(t, timers, 20), 2)
	require.Equal(t, []string{"mark", "timer"}, sectionsOf(b.flush()), "30 is pending")
	register(5, 6, 40)
	remove(5)
	require.Equal(t, []string{"late", "timer"}, sectionsOf(b.flush()), "6 is late")
	register(7)
	remove(30)
	require.Len(t, fire(t, timers, 8), 2)
	require.Equal(t, []string{"-late", "-timer"}, sectionsOf(b.flush()), "7 was not in the tree")
	remove(40)
	register(41, 50)
	require.Len(t, fire(t, timers, 41), 1)
	require.Equal(t, []string{"mark", "timer"}, sectionsOf(b.flush()), "the mark hides 40")
	register(60)
	remove(50, 60)
	register(50)
	require.Equal(t, []string{"timer"}, sectionsOf(b.flush()))
	require.Len(t, fire(t, timers, 100), 1)
	require.True(t, b.Empty())
	require.NoError(t, b.Close())
}

// A compaction drops the timers up to a mark only if the tree has the mark. Otherwise a crash would
// lose them.
func TestCompactionsKeepFiredTimersUntilTheMarkIsInstalled(t *testing.T) {
	b, k := newTieredTimers(t, Options{Options: oneGroup(), FS: newFS()})
	timers := b.declare(k, "timers")
	require.NoError(t, k.SetKey("k"))
	require.NoError(t, timers.Register(state.EventTime, 10, nil))
	require.NoError(t, timers.Register(state.EventTime, 20, nil))
	b.flush()
	require.Len(t, fire(t, timers, 10), 1)
	compacted := func() map[section]int {
		require.NoError(t, b.db.Flush(context.Background()))
		require.NoError(t, b.db.Compact(context.Background()))
		return rowsInTree(t, b.Backend)
	}
	require.Equal(t, map[section]int{timerSection: 2}, compacted())
	b.freeze(0)
	require.Equal(t, map[section]int{timerSection: 2}, compacted())
	b.write()
	b.install()
	require.Equal(t, map[section]int{markSection: 1, timerSection: 1}, compacted())
	require.NoError(t, b.Close())
}

// Timers leave memory when the tree has them, and the last ones leave first.
func TestInstalledTimersLeaveMemory(t *testing.T) {
	b, k := newTieredTimers(t, Options{Options: oneGroup(), FS: newFS(), timersPerGroup: 10})
	timers := b.declare(k, "timers")
	require.NoError(t, k.SetKey("k"))
	const all = 5000
	for i := range int64(all) {
		require.NoError(t, timers.Register(state.EventTime, i, nil))
	}
	evict := func() int {
		b.evictTimers(1)
		b.checkBytes()
		return b.timers[backend.IDOf("timers")][state.EventTime].inMemory()
	}
	require.Equal(t, all, evict())
	b.freeze(0)
	require.Equal(t, all, evict())
	b.write()
	require.Equal(t, all, evict())
	b.install()
	require.Equal(t, 10, evict())
	require.Len(t, fire(t, timers, all), all)
	require.NoError(t, b.Close())
}
