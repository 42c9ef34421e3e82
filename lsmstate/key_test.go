package lsmstate

import (
	"bytes"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/state/backend"
	"github.com/weirstate/weir/state/codec"
)

func TestPrefixEndsBehindTheNamespace(t *testing.T) {
	awkward := []string{"", "a", "ab", "\x00", "\x00\x01", "\x00\xff", "\xff", "a\x00b", "12345678"}
	for _, key := range awkward {
		for _, namespace := range awkward {
			for _, suffix := range awkward {
				for keySize, form := range map[int][]byte{
					-1:       codec.AppendEscaped(nil, []byte(key)),
					len(key): []byte(key),
				} {
					prefix := append(backend.AppendHeader(nil, 0x7F00, 0xFFFFFFFF), form...)
					prefix = codec.AppendEscaped(prefix, []byte(namespace))
					whole := append(slices.Clone(prefix), suffix...)
					n, ok := splitKey(whole, keySize)
					require.True(t, ok)
					require.Equal(t, len(prefix), n, "%x", whole)
					for cut := range prefix {
						require.Equal(t, cut, prefixSize(prefix[:cut], keySize), "no prefix is the beginning of another")
					}
				}
			}
		}
	}
}

// What the tree relies on, for any bytes: see run.Split.
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
		require.Equal(t, n, prefixSize(key[:n], keySize), "of the prefix alone")
		if _, ok := splitKey(key, keySize); ok {
			require.Equal(t, n, prefixSize(append(bytes.Clone(key[:n]), suffix...), keySize), "of another key with the prefix")
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

// A row of the tree becomes the composite key of the timer, and no other.
func TestRowsOfTimersInViewsAreCompositeKeys(t *testing.T) {
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
