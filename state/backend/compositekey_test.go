package backend

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/state/codec"
)

func TestCompositeKeyHasTheDocumentedForm(t *testing.T) {
	key := AppendHeader(nil, 0x0102, 0x03040506)
	key = AppendKey(key, []byte("a\x00b"), -1)
	key = append(codec.AppendEscaped(key, []byte{0xff}), "suffix"...)
	require.Equal(t, []byte("\x01\x02\x03\x04\x05\x06a\x00\xffb\x00\x01\xff\x00\x01suffix"), key)

	fixed := append(codec.AppendEscaped(AppendKey(AppendHeader(nil, 1, 2), []byte{0, 0, 0, 9}, 4), nil), "x"...)
	require.Equal(t, []byte("\x00\x01\x00\x00\x00\x02\x00\x00\x00\x09\x00\x01x"), fixed)

	timer := AppendTimerKey(nil, 2, ProcessingTime, TimerEntry{Timestamp: -1, Group: 1, Row: []byte("row")})
	require.Equal(t, []byte("\x00\x01\x00\x00\x00\x02\x01\x7f\xff\xff\xff\xff\xff\xff\xffrow"), timer)
}

func TestCompositeKeysSortByTheirParts(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 6))
	part := func() []byte {
		b := make([]byte, rng.IntN(4))
		for i := range b {
			b[i] = []byte{0, 1, 0xfe, 0xff}[rng.IntN(4)]
		}
		return b
	}
	for range 20_000 {
		k1, n1, s1, k2, n2, s2 := part(), part(), part(), part(), part(), part()
		row1 := append(codec.AppendEscaped(AppendKey(nil, k1, -1), n1), s1...)
		row2 := append(codec.AppendEscaped(AppendKey(nil, k2, -1), n2), s2...)
		want := bytes.Compare(k1, k2)
		if want == 0 {
			want = bytes.Compare(n1, n2)
		}
		if want == 0 {
			want = bytes.Compare(s1, s2)
		}
		require.Equal(t, want, bytes.Compare(row1, row2))
		k, n, s, err := SplitPrefix(row1, -1)
		require.NoError(t, err)
		require.True(t, bytes.Equal(k, k1) && bytes.Equal(n, n1) && bytes.Equal(s, s1))
	}
}

func TestPrefixSizeAgreesWithSplitPrefix(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	valid := 0
	for range 20_000 {
		key := make([]byte, rng.IntN(HeaderSize+10))
		for i := range key {
			key[i] = []byte{0, 1, 0xfe, 0xff}[rng.IntN(4)]
		}
		for _, keySize := range []int{-1, 0, 2, math.MaxInt} {
			size, ok := PrefixSize(key, keySize)
			_, _, rest, err := SplitHeader(key)
			if err == nil {
				_, _, rest, err = SplitPrefix(rest, keySize)
			}
			require.Equal(t, err == nil, ok, "%x with keys of %d bytes", key, keySize)
			if ok {
				valid++
				require.Equal(t, len(key)-len(rest), size, "%x with keys of %d bytes", key, keySize)
			}
		}
	}
	require.Greater(t, valid, 1000)
}
