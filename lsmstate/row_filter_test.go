package lsmstate

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
)

// decider is a filter that calls a function.
type decider func(*lsm.FilterEntry)

func (d decider) Decide(batch []lsm.FilterEntry) {
	for i := range batch {
		d(&batch[i])
	}
}

// rewritten makes a compaction rewrite all tables: because of a tombstone before all rows and one
// after them it cannot move a table.
func rewritten(t *testing.T, b *Backend) {
	t.Helper()
	require.NoError(t, b.db.Flush(context.Background()))
	require.NoError(t, b.db.Delete(backend.AppendHeader(nil, 0, 0)))
	require.NoError(t, b.db.Delete([]byte{0xFF, 0xFF, 0xFF}))
	require.NoError(t, b.db.Flush(context.Background()))
	require.NoError(t, b.db.Compact(context.Background()))
}

// The user's filter drops one of two states. It gets no timers; fired timers are still dropped.
func TestFilterDecidesOnRowsOfKeyedState(t *testing.T) {
	dropped := backend.IDOf("list")
	b, k := backendOn(t, newFS(), Options{Options: oneGroup(), Picker: idle{}, Filter: decider(func(e *lsm.FilterEntry) {
		group, id, _, err := backend.SplitHeader(e.Key)
		require.NoError(t, err)
		require.Zero(t, group&(timerBit<<8), "a timer")
		if id == dropped {
			e.Decision = lsm.Drop
		} else {
			e.Decision, e.NewValue = lsm.Replace, append([]byte{0}, strings.ToUpper(string(e.Value[1:]))...)
		}
	})})
	value, list, timers := valueOn(t, k), listOn(t, k), timersOn(t, k)
	for i := range 1000 {
		require.NoError(t, k.SetKey(fmt.Sprint(i)))
		require.NoError(t, value.Set("value"))
		require.NoError(t, list.Add("element"))
		require.NoError(t, timers.Register(state.EventTime, int64(i), nil))
	}
	require.Len(t, fire(t, timers, 599), 600)
	rewritten(t, b)
	for i := range 1000 {
		require.NoError(t, k.SetKey(fmt.Sprint(i)))
		v, ok, err := value.Get()
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, "VALUE", v)
		elements, err := list.Get()
		require.NoError(t, err)
		require.Empty(t, elements)
	}
	require.Equal(t, map[section]int{markSection: 1, timerSection: 400}, rowsInTree(t, b))
	require.Len(t, fire(t, timers, 1000), 400)
}

// A filter may drop all elements of a chunk. The chunk is removed, and the list continues with the next
// one.
func TestNewValueWithoutBytesDropsTheRow(t *testing.T) {
	b, k := backendOn(t, newFS(), Options{Options: oneGroup(), Picker: idle{}, Filter: decider(func(e *lsm.FilterEntry) {
		if strings.Contains(string(e.Value), "expired") {
			e.Decision = lsm.Replace
		}
	})})
	list := listOn(t, k)
	require.NoError(t, k.SetKey("k"))
	require.NoError(t, list.Add(strings.Repeat("expired", rowBytes/7)+"fills a chunk"))
	require.NoError(t, list.Add("kept"))
	rewritten(t, b)
	elements, err := list.Get()
	require.NoError(t, err)
	require.Equal(t, []string{"kept"}, elements)
}

// ranged is a filter with a FilterRange.
type ranged struct {
	decider
	from, to []byte
}

func (r ranged) FilterRange() (from, to []byte) { return r.from, r.to }

func TestFilterGetsOnlyRowsOfItsRange(t *testing.T) {
	all := []byte{0xFF}
	for _, c := range []struct {
		from, to []byte
		want     int // of two states, 20 keys each
	}{
		{nil, nil, 40},
		{all, nil, 0},
		{nil, backend.AppendHeader(nil, 0, backend.IDOf("other")), 20},
		{backend.AppendHeader(nil, 0, backend.IDOf("other")), all, 20},
		{all, []byte{}, 0},
	} {
		asked := make(map[string]bool)
		b, k := backendOn(t, newFS(), Options{Options: oneGroup(), Picker: idle{},
			Filter: ranged{func(e *lsm.FilterEntry) { asked[string(e.Key)] = true }, c.from, c.to}})
		value, timers := valueOn(t, k), timersOn(t, k)
		other, err := state.ValueOf(k, state.ValueDescriptor[string]{Name: "other", Codec: codec.String[string]()})
		require.NoError(t, err)
		for i := range 20 {
			require.NoError(t, k.SetKey(fmt.Sprint(i)))
			require.NoError(t, value.Set("v"))
			require.NoError(t, other.Set("v"))
			require.NoError(t, timers.Register(state.EventTime, int64(i), nil))
		}
		require.Len(t, fire(t, timers, 9), 10)
		rewritten(t, b)
		require.Len(t, asked, c.want, "%x to %x", c.from, c.to)
		require.Equal(t, 10, rowsInTree(t, b)[timerSection])
		require.NoError(t, b.Close())
	}
}
