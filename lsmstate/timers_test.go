package lsmstate

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/heapstate"
	"github.com/weirstate/weir/internal/density"
	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
)

func timersOn(t *testing.T, k *state.Keyed[string]) *state.Timers[string] {
	timers, err := state.TimersOf(k, "timers")
	require.NoError(t, err)
	return timers
}

// fire advances event time and returns the timers that fired.
func fire(t *testing.T, timers *state.Timers[string], now int64) (fired []string) {
	require.NoError(t, timers.Advance(state.EventTime, now, func(timer state.Timer[string]) error {
		fired = append(fired, fmt.Sprintf("%d %s", timer.Timestamp, timer.Key))
		return nil
	}))
	return fired
}

// rowsInTree counts the timer rows of the tree by section.
func rowsInTree(t *testing.T, b *Backend) map[section]int {
	rows := make(map[section]int)
	it, err := b.db.Iterator([]byte{timerBit}, nil)
	require.NoError(t, err)
	for it.Next() {
		rows[section(it.Key()[backend.HeaderSize])]++
	}
	require.NoError(t, it.Err())
	require.NoError(t, it.Close())
	return rows
}

func oneGroup() state.Options { return state.Options{Keyspace: state.WholeKeyspace(1)} }

func TestFiringRaisesTheMarkAndCompactionsDropFiredTimers(t *testing.T) {
	b, k := backendOn(t, newFS(), Options{Options: oneGroup(), Picker: idle{}})
	timers := timersOn(t, k)
	const all, due = 1000, 700
	for i := range all {
		require.NoError(t, k.SetKey("k"))
		require.NoError(t, timers.Register(state.EventTime, int64(i), nil))
	}
	require.NoError(t, b.db.Flush(context.Background()))
	before := view1(t, b)
	require.Len(t, fire(t, timers, due-1), due)
	require.Equal(t, map[section]int{markSection: 1, timerSection: all}, rowsInTree(t, b), "no tombstones")
	after := view1(t, b)
	require.NoError(t, b.db.Flush(context.Background()))
	require.NoError(t, b.db.Compact(context.Background()))
	require.Equal(t, map[section]int{markSection: 1, timerSection: all - due}, rowsInTree(t, b))
	require.Len(t, rowsOf(t, before), all)
	require.Len(t, rowsOf(t, after), all-due)
	before.Close()
	after.Close()
	require.Len(t, fire(t, timers, all), all-due)
}

// idle is a Picker that picks no compactions.
type idle struct{}

func (idle) Pick(lsm.Shape) *lsm.Pick { return nil }

func TestTimersAtOrBelowTheMarkFire(t *testing.T) {
	b, k := backendOn(t, newFS(), Options{Options: oneGroup()})
	timers := timersOn(t, k)
	register := func(key string, timestamp int64) {
		require.NoError(t, k.SetKey(key))
		require.NoError(t, timers.Register(state.EventTime, timestamp, nil))
	}
	register("b", 10)
	register("b", 20)
	require.Equal(t, []string{"10 b"}, fire(t, timers, 10))
	register("b", 10)
	register("a", 10)
	register("c", 10)
	register("z", 5)
	require.Equal(t, map[section]int{markSection: 1, lateSection: 3, timerSection: 3}, rowsInTree(t, b), "c is above the mark, and the first is hidden")
	v := view1(t, b)
	require.Len(t, rowsOf(t, v), 5)
	v.Close()
	require.Equal(t, []string{"5 z", "10 a", "10 b", "10 c"}, fire(t, timers, 10))
	require.Equal(t, map[section]int{markSection: 1, timerSection: 3}, rowsInTree(t, b))
	require.Equal(t, []string{"20 b"}, fire(t, timers, 100))
	require.True(t, b.Empty())
}

// If deleting the first timer raised the mark, all timers that are registered before it would be late.
func TestDeletedTimersDoNotRaiseTheMark(t *testing.T) {
	b, k := backendOn(t, newFS(), Options{Options: oneGroup()})
	timers := timersOn(t, k)
	require.NoError(t, k.SetKey("k"))
	require.NoError(t, timers.Register(state.EventTime, 1000, nil))
	_, _, err := timers.Next(state.EventTime)
	require.NoError(t, err)
	require.NoError(t, timers.Register(state.EventTime, 2000, nil))
	require.NoError(t, timers.Delete(state.EventTime, 1000, nil))
	require.NoError(t, timers.Delete(state.EventTime, 2000, nil))
	require.NoError(t, timers.Register(state.EventTime, 10, nil))
	require.Equal(t, map[section]int{timerSection: 1}, rowsInTree(t, b))
	require.Equal(t, []string{"10 k"}, fire(t, timers, 10))
}

// Most timers of the test are late, deleted or not in memory. Half of the backends have a tier.
func TestTimersFireAsThoseOfTheHeapBackend(t *testing.T) {
	for seed := range density.Of(t, uint64(12), 40, 1000) {
		rng := rand.New(rand.NewPCG(seed, 0))
		o := state.Options{Keyspace: state.WholeKeyspace(1 + rng.IntN(3))}
		b, k := backendOn(t, newFS(), Options{
			Options: o, tune: inFiles, timersPerGroup: 1 + rng.IntN(5),
			Tier: seed%2 > 0, tierBytes: []int64{0, 1, 0, 4 << 10}[seed%4],
		})
		heap, err := heapstate.NewHash(o)
		require.NoError(t, err)
		of, err := state.NewKeyed(heap, codec.String[string]())
		require.NoError(t, err)
		timers, wanted := timersOn(t, k), timersOn(t, of)
		span := int64(10 + rng.IntN(200))
		for step := range 1000 {
			key, timestamp, op := fmt.Sprint(rng.IntN(5)), rng.Int64N(span), rng.IntN(100)
			require.NoError(t, k.SetKey(key))
			require.NoError(t, of.SetKey(key))
			switch {
			case op < 60:
				require.NoError(t, timers.Register(state.EventTime, timestamp, nil))
				require.NoError(t, wanted.Register(state.EventTime, timestamp, nil))
			case op < 80:
				require.NoError(t, timers.Delete(state.EventTime, timestamp, nil))
				require.NoError(t, wanted.Delete(state.EventTime, timestamp, nil))
			case op < 84:
				require.Equal(t, fire(t, wanted, timestamp), fire(t, timers, timestamp), "seed %d, step %d", seed, step)
			case op < 85:
				sameRows(t, heap, b)
			default:
				got, ok, err := timers.Next(state.EventTime)
				require.NoError(t, err)
				want, wantOK, _ := wanted.Next(state.EventTime)
				require.Equal(t, wantOK, ok)
				require.Equal(t, want, got)
			}
			want, _ := wanted.Len(state.EventTime)
			got, err := timers.Len(state.EventTime)
			require.NoError(t, err)
			require.Equal(t, want, got, "seed %d, step %d", seed, step)
		}
		sameRows(t, heap, b)
		require.NoError(t, b.Close())
	}
}

func sameRows(t *testing.T, want, got snapshot.Backend) {
	wantView, err := want.View()
	require.NoError(t, err)
	defer wantView.Close()
	gotView, err := got.View()
	require.NoError(t, err)
	defer gotView.Close()
	require.Equal(t, rowsOf(t, wantView), rowsOf(t, gotView))
}
