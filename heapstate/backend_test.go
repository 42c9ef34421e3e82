package heapstate_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/heapstate"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
)

// both runs a test on the hash backend and on the B-tree backend, keyed by strings.
func both(t *testing.T, o state.Options, test func(*testing.T, *heapstate.Backend, *state.Keyed[string])) {
	for name, open := range map[string]func(state.Options) (*heapstate.Backend, error){
		"hash": heapstate.NewHash, "btree": heapstate.NewBTree,
	} {
		t.Run(name, func(t *testing.T) {
			b, err := open(o)
			require.NoError(t, err)
			k, err := state.NewKeyed(b, codec.String[string]())
			require.NoError(t, err)
			test(t, b, k)
		})
	}
}

func TestAppendToOneKeysSliceDoesNotChangeAnotherKeys(t *testing.T) {
	both(t, state.Options{}, func(t *testing.T, _ *heapstate.Backend, k *state.Keyed[string]) {
		v, err := state.ValueOf(k, state.ValueDescriptor[[]string]{Name: "v", Codec: codec.Slice(codec.String[string]())})
		require.NoError(t, err)
		shared := append(make([]string, 0, 8), "start")
		for _, key := range []string{"a", "b"} {
			require.NoError(t, k.SetKey(key))
			require.NoError(t, v.Set(shared))
		}
		for _, key := range []string{"a", "b"} {
			require.NoError(t, k.SetKey(key))
			got, _, err := v.Get()
			require.NoError(t, err)
			require.NoError(t, v.Set(append(got, "of "+key)))
		}
		require.NoError(t, k.SetKey("a"))
		got, _, err := v.Get()
		require.NoError(t, err)
		require.Equal(t, []string{"start", "of a"}, got)
	})
}

func TestReadsRefuseAUserKeyThatCannotBeEncoded(t *testing.T) {
	picky := codec.Func("picky", 1,
		func(dst []byte, s string) ([]byte, error) {
			if s == "bad" {
				return dst, codec.ErrUnencodable
			}
			return append(dst, s...), nil
		},
		func(src []byte) (string, error) { return string(src), nil })
	both(t, state.Options{}, func(t *testing.T, _ *heapstate.Backend, k *state.Keyed[string]) {
		m, err := state.MapOf(k, state.MapDescriptor[string, int]{Name: "m", Key: picky, Value: codec.Int[int]()})
		require.NoError(t, err)
		require.NoError(t, k.SetKey("k"))
		require.NoError(t, m.Put("", 1))
		_, _, err = m.Get("bad")
		require.ErrorIs(t, err, codec.ErrUnencodable)
		_, err = m.Contains("bad")
		require.ErrorIs(t, err, codec.ErrUnencodable)
		require.ErrorIs(t, m.Remove("bad"), codec.ErrUnencodable)
		n, err := m.Len()
		require.NoError(t, err)
		require.Equal(t, 1, n)
	})
}

func TestRefusedMergeChangesNothing(t *testing.T) {
	both(t, state.Options{Limits: state.Limits{MaxKeySize: 32}}, func(t *testing.T, _ *heapstate.Backend, k *state.Keyed[string]) {
		l, err := state.ListOf(k, state.ListDescriptor[int]{Name: "l", Codec: codec.Int[int]()})
		require.NoError(t, err)
		require.NoError(t, k.SetKey("k"))
		require.NoError(t, l.Add(1))
		require.ErrorIs(t, l.MergeNamespaces(make([]byte, 64), [][]byte{nil}), state.ErrKeyTooLarge)
		got, err := l.Get()
		require.NoError(t, err)
		require.Equal(t, []int{1}, got)
	})
}

func TestSubtaskThatDoesNotExistIsRefused(t *testing.T) {
	for _, s := range []state.Keyspace{
		state.SubtaskKeyspace(4, 4, 128), state.SubtaskKeyspace(0, 200, 128),
		state.WholeKeyspace(0), state.WholeKeyspace(100_000),
	} {
		_, err := heapstate.NewHash(state.Options{Keyspace: s})
		require.ErrorIs(t, err, state.ErrInvalid, "%+v", s)
	}
}

func TestOneKeyInTwoKeyGroupsOfASnapshotIsCorrupt(t *testing.T) {
	b, err := heapstate.NewHash(state.Options{})
	require.NoError(t, err)
	k, err := state.NewKeyed(b, codec.String[string]())
	require.NoError(t, err)
	_, err = state.ListOf(k, state.ListDescriptor[int8]{Name: "l", Codec: codec.Int[int8]()})
	require.NoError(t, err)
	row := func(group uint16) []byte {
		key := codec.AppendEscaped(backend.AppendHeader(nil, group, backend.IDOf("l")), []byte("k"))
		return codec.AppendEscaped(key, nil)
	}
	require.NoError(t, b.Load(row(1), []byte{2, 0, 0x80}))
	require.ErrorIs(t, b.Load(row(2), []byte{2, 0, 0x80}), state.ErrCorrupt)
}
