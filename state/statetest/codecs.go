package statetest

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

// numberCodec returns a codec of numbers. The encodings of different versions have the same size
// and decode without an error under each other's codec.
func numberCodec(version uint32) codec.Codec[int64] {
	shift := int64(version)
	return codec.Func("shifted", version,
		func(dst []byte, v int64) ([]byte, error) {
			return binary.BigEndian.AppendUint64(dst, uint64(v+shift)), nil
		},
		func(src []byte) (int64, error) {
			if len(src) != 8 {
				return 0, codec.ErrMalformed
			}
			return int64(binary.BigEndian.Uint64(src)) - shift, nil
		})
}

// codecsOfSnapshots tests the protection against bug 17, FLINK-12064: after a schema migration, a
// snapshot was written by the old serializer, or recorded the old serializer. Weir has no automatic
// migration: a program that changes an encoding reads the old state and writes a new one. A
// snapshot records the codecs with which its states are declared, and a restore compares them
// before it reads rows.
func codecsOfSnapshots(t *testing.T, h harness) {
	const keys = 20
	open := func(version uint32) (snapshot.Backend, *state.Keyed[string], state.ValueState[int64]) {
		b := h.backend(t, state.Options{Keyspace: state.WholeKeyspace(4)})
		k := keyedOn(t, b, text)
		return b, k, valueOn(t, k, "number", numberCodec(version))
	}
	each := func(k *state.Keyed[string], do func(i int64)) {
		for i := range int64(keys) {
			require.NoError(t, k.SetKey(fmt.Sprint(i)))
			do(i)
		}
	}
	requireRestored := func(s *store, version uint32, handle snapshot.Handle) (snapshot.Backend, *state.Keyed[string], state.ValueState[int64]) {
		b, k, v := open(version)
		restore(t, b, s, handle)
		each(k, func(i int64) { requireValue(t, i, v) })
		return b, k, v
	}
	requireRefused := func(s *store, version uint32, handle snapshot.Handle) {
		b, _, _ := open(version)
		_, err := restoring(b, s, handle)
		require.ErrorIs(t, err, state.ErrIncompatible)
		require.ErrorContains(t, err, numberCodec(version).ID().String())
		require.True(t, b.Empty())
	}
	s := newStore()
	first, k, number := open(1)
	each(k, func(i int64) { require.NoError(t, number.Set(i)) })
	before := save(t, first, s, "before")
	requireRefused(s, 2, before)

	_, was, old := requireRestored(s, 1, before)
	second, is, fresh := open(2)
	each(was, func(i int64) {
		v, _, err := old.Get()
		require.NoError(t, err)
		require.NoError(t, is.SetKey(fmt.Sprint(i)))
		require.NoError(t, fresh.Set(v))
	})
	after := save(t, second, s, "after")
	requireRefused(s, 1, after)
	third, _, _ := requireRestored(s, 2, after)
	again := save(t, third, s, "again")
	requireRefused(s, 1, again)
	requireRestored(s, 2, again)
}
