package heapstate_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/heapstate"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
)

var oneGroup = state.Options{Keyspace: state.WholeKeyspace(1)}

// Views read rows ahead, up to some kilobytes. These rows are smaller and much larger.
func TestViewHasKeysAndValuesOfAnySize(t *testing.T) {
	both(t, oneGroup, func(t *testing.T, b *heapstate.Backend, k *state.Keyed[string]) {
		value, err := state.ValueOf(k, state.ValueDescriptor[[]byte]{Name: "value", Codec: codec.Bytes()})
		require.NoError(t, err)
		list, err := state.ListOf(k, state.ListDescriptor[string]{Name: "list", Codec: codec.String[string]()})
		require.NoError(t, err)
		want := map[string]string{}
		for i := range 300 {
			size := i * 7 % 50
			if i%41 == 0 {
				size = 20_000
			}
			name := fmt.Sprintf("%03d\x00", i) + string(bytes.Repeat([]byte{byte(i)}, i%3*size))
			require.NoError(t, k.SetKey(name))
			require.NoError(t, value.Set(bytes.Repeat([]byte{byte(i + 1)}, size)))
			require.NoError(t, list.Add(name))
			key := backend.AppendHeader(nil, 0, backend.IDOf("value"))
			key = codec.AppendEscaped(codec.AppendEscaped(key, []byte(name)), nil)
			want[string(key)] = string(append([]byte{0}, bytes.Repeat([]byte{byte(i + 1)}, size)...))
		}
		lists := 0
		for _, row := range viewRows(t, b) {
			if _, id, _, _ := backend.SplitHeader([]byte(row[0])); id == backend.IDOf("list") {
				lists++
				continue
			}
			require.Equal(t, want[row[0]], row[1])
			delete(want, row[0])
		}
		require.Empty(t, want)
		require.Equal(t, 300, lists)
	})
}

func TestWalkEndsAtAValueThatCannotBeEncoded(t *testing.T) {
	both(t, oneGroup, func(t *testing.T, b *heapstate.Backend, k *state.Keyed[string]) {
		refused := ""
		errRefused := errors.New("refused")
		moody := codec.Func("moody", 1,
			func(dst []byte, s string) ([]byte, error) {
				if s == refused {
					return dst, errRefused
				}
				return append(dst, s...), nil
			},
			func(src []byte) (string, error) { return string(src), nil })
		v, err := state.ValueOf(k, state.ValueDescriptor[string]{Name: "v", Codec: moody})
		require.NoError(t, err)
		for i := range 200 {
			key := fmt.Sprintf("%03d", i)
			require.NoError(t, k.SetKey(key))
			require.NoError(t, v.Set("of "+key))
		}
		refused = "of 101"
		view, err := b.View()
		require.NoError(t, err)
		defer view.Close()
		rows := 0
		require.ErrorIs(t, view.Rows(0, func(_, _ []byte) error { rows++; return nil }), errRefused)
		require.Equal(t, 101, rows)
		refused = ""
		rows = 0
		require.NoError(t, view.Rows(0, func(_, _ []byte) error { rows++; return nil }))
		require.Equal(t, 200, rows)
	})
}

func TestWalkReturnsTheErrorOfYield(t *testing.T) {
	both(t, oneGroup, func(t *testing.T, b *heapstate.Backend, k *state.Keyed[string]) {
		v, err := state.ValueOf(k, state.ValueDescriptor[string]{Name: "v", Codec: codec.String[string]()})
		require.NoError(t, err)
		for i := range 200 {
			require.NoError(t, k.SetKey(fmt.Sprintf("%03d", i)))
			require.NoError(t, v.Set("v"))
		}
		view, err := b.View()
		require.NoError(t, err)
		defer view.Close()
		enough := errors.New("enough")
		for _, after := range []int{1, 63, 64, 65, 199} {
			rows := 0
			require.ErrorIs(t, view.Rows(0, func(_, _ []byte) error {
				if rows++; rows == after {
					return enough
				}
				return nil
			}), enough)
			require.Equal(t, after, rows)
		}
	})
}

// tableSpy is a backend that records the last table added.
type tableSpy struct {
	*heapstate.Backend
	table backend.HeapTable
}

func (s *tableSpy) AddTable(info backend.Info, t backend.HeapTable) (backend.Index, error) {
	s.table = t
	return s.Backend.AddTable(info, t)
}

func TestRowsMayBeReadInAnotherOrderThanGathered(t *testing.T) {
	b, err := heapstate.NewBTree(oneGroup) // it gives out slots in order
	require.NoError(t, err)
	spy := &tableSpy{Backend: b}
	k, err := state.NewKeyed(spy, codec.Int[uint32]())
	require.NoError(t, err)
	v, err := state.ValueOf(k, state.ValueDescriptor[uint32]{Name: "v", Codec: codec.Int[uint32]()})
	require.NoError(t, err)
	for i := range uint32(10) {
		require.NoError(t, k.SetKey(i))
		require.NoError(t, v.Set(i))
	}
	pin := b.Registry().Freeze()
	defer pin.Close()
	table, _ := spy.table.Frozen(pin)
	require.Equal(t, 3, table.Gather([]uint32{1, 2, 3}, 0))
	for _, slot := range []uint32{1, 3, 9, 2, 2, 0} {
		require.NoError(t, table.Rows(slot, 0, func(_, value []byte) error {
			require.Equal(t, []byte{0, 0, 0, 0, byte(slot)}, value)
			return nil
		}))
	}
}
