package lsmstate

import (
	"bytes"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
)

func TestPrefixEndsAfterTheNamespace(t *testing.T) {
	awkward := []string{"", "a", "ab", "\x00", "\x00\x01", "\x00\xff", "\xff", "a\x00b", "12345678"}
	for _, key := range awkward {
		for _, namespace := range awkward {
			for _, suffix := range awkward {
				for keySize, encoded := range map[int][]byte{
					-1:       codec.AppendEscaped(nil, []byte(key)),
					len(key): []byte(key),
				} {
					prefix := append(backend.AppendHeader(nil, 0x7F00, 0xFFFFFFFF), encoded...)
					prefix = codec.AppendEscaped(prefix, []byte(namespace))
					whole := append(slices.Clone(prefix), suffix...)
					n, ok := prefixEnd(whole, keySize)
					require.True(t, ok)
					require.Equal(t, len(prefix), n, "%x", whole)
					for cut := range prefix {
						require.Equal(t, cut, prefixSize(prefix[:cut], keySize), "a cut prefix is not the prefix of another key")
					}
				}
			}
		}
	}
}

// The tree relies on these properties for any key: see run.Split.
func FuzzSplit(f *testing.F) {
	f.Add([]byte("\x00\x05\x47\x64\x95\x88\x61\x00\x01\x00\x01suffix"), -1, []byte("other"))
	f.Add([]byte("\x00\x05\x47\x64\x95\x8812345678\x00\x01suffix"), 8, []byte{})
	f.Add([]byte("\x80\x05\x47\x64\x95\x88\x02position"), 8, []byte("other"))
	f.Add([]byte("\x00\x05\x47\x64\x95\x88\x61\x00\x02"), -1, []byte{1})
	f.Fuzz(func(t *testing.T, key []byte, keySize int, suffix []byte) {
		if keySize < -1 || keySize > 1<<20 {
			return
		}
		n := prefixSize(key, keySize)
		require.True(t, 0 <= n && n <= len(key))
		require.Equal(t, n, prefixSize(key[:n], keySize), "the prefix of the prefix")
		if _, ok := prefixEnd(key, keySize); ok {
			require.Equal(t, n, prefixSize(append(bytes.Clone(key[:n]), suffix...), keySize), "the prefix of another key that begins with it")
			require.GreaterOrEqual(t, n, PartitionBytes)
		}
	})
}

func TestPositionsAreOrderedAsTimersFire(t *testing.T) {
	var last string
	for _, timestamp := range []int64{-1 << 63, -256, -1, 0, 1, 255, 256, 1<<63 - 1} {
		for _, row := range []string{"", "\x00", "a", "ab", "b"} {
			position := string(appendPosition(nil, timestamp, []byte(row)))
			require.Less(t, last, position)
			gotTimestamp, gotRow := splitPosition(position)
			require.Equal(t, timestamp, gotTimestamp)
			require.Equal(t, row, gotRow)
			last = position
		}
	}
}

// Each timer is one row of a view, under its composite key.
func TestViewsHaveTimersUnderCompositeKeys(t *testing.T) {
	b, k := backendOn(t, newFS(), Options{})
	timers := timersOn(t, k)
	require.NoError(t, k.SetKeyAndGroup("k", 5))
	var want [][2]string
	row := codec.AppendEscaped(codec.AppendEscaped(nil, []byte("k")), []byte("n"))
	for _, d := range domains {
		for timestamp := range int64(3) {
			require.NoError(t, timers.Register(d, timestamp, []byte("n")))
			want = append(want, [2]string{string(backend.AppendTimerKey(nil, backend.IDOf("timers"), d,
				backend.TimerEntry{Timestamp: timestamp, Group: 5, Row: row}))})
		}
	}
	v := view1(t, b)
	defer v.Close()
	require.Equal(t, want, rowsOf(t, v))
}
