package state_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/heapstate"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

func TestKeyGroupOfReturnsTheGroupOfSetKey(t *testing.T) {
	const groups = 16
	for key := range int64(100) {
		group, err := state.KeyGroupOf(codec.Int[int64](), key, groups)
		require.NoError(t, err)
		encoded, err := codec.Int[int64]().Append(nil, key)
		require.NoError(t, err)
		require.Equal(t, group, state.EncodedKeyGroup(encoded, groups))
		for owned := range uint16(groups) {
			space := state.Keyspace{MaxParallelism: groups, Groups: state.GroupRange{First: owned, Last: owned}}
			backend, err := heapstate.NewHash(state.Options{Keyspace: space})
			require.NoError(t, err)
			keyed, err := state.NewKeyed(backend, codec.Int[int64]())
			require.NoError(t, err)
			if err := keyed.SetKey(key); owned == group {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, state.ErrKeyGroup)
			}
		}
	}
}

// lying is a codec whose FixedSize is not the size of its encodings.
type lying struct{ codec.Codec[string] }

func (lying) FixedSize() int { return 3 }

func TestKeyGroupOfAKeyWithoutEncodingIsAnError(t *testing.T) {
	_, err := state.KeyGroupOf(codec.JSON[float64]("json", 1), math.NaN(), 128)
	require.Error(t, err)
	_, err = state.KeyGroupOf(lying{codec.String[string]()}, "four", 128)
	require.ErrorIs(t, err, codec.ErrInvalidCodec)
}

func TestKeyGroupOfInvalidArgumentsIsErrInvalid(t *testing.T) {
	for _, groups := range []int{-1, 0, state.MaxKeyGroups + 1} {
		_, err := state.KeyGroupOf(codec.Int[int64](), 1, groups)
		require.ErrorIs(t, err, state.ErrInvalid, groups)
	}
	_, err := state.KeyGroupOf(nil, "JFK", 128)
	require.ErrorIs(t, err, state.ErrInvalid)
}

func TestSubtaskOfReturnsTheSubtaskWhoseKeyspaceHasTheGroup(t *testing.T) {
	for _, groups := range []int{1, 2, 7, 128, 1000, state.MaxKeyGroups} {
		for _, parallelism := range []int{1, 2, 3, 5, 127, 128, groups} {
			if parallelism > groups {
				continue
			}
			for group := range groups {
				i := state.SubtaskOf(uint16(group), parallelism, groups)
				require.True(t, state.SubtaskKeyspace(i, parallelism, groups).Groups.Contains(uint16(group)))
			}
		}
	}
}

func TestSubtaskOfInvalidArgumentsIsMinusOne(t *testing.T) {
	for _, c := range [][3]int{{0, 0, 128}, {0, 129, 128}, {128, 1, 128}, {0, 1, 0}, {0, -1, -1}, {0, 1, state.MaxKeyGroups + 1}} {
		require.Equal(t, -1, state.SubtaskOf(uint16(c[0]), c[1], c[2]), "%v", c)
	}
}
