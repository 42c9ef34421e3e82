package snapshot

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSharedPrefixIsTheLongestCommonPrefix(t *testing.T) {
	for same := range 40 {
		for _, tails := range [][2]string{{"", ""}, {"", "x"}, {"x", ""}, {"a", "b"}, {"a and more of it", "b and more of it"}} {
			begin := bytes.Repeat([]byte{'k', 0}, 20)[:same]
			a, b := append(bytes.Clone(begin), tails[0]...), append(bytes.Clone(begin), tails[1]...)
			require.Equal(t, same, sharedPrefix(a, b))
		}
	}
}

func TestLengthsOfAnySizeAreUvarints(t *testing.T) {
	sizes := []uint64{0, 1, 0x7f, 0x80, 0x3fff, 0x4000, 1 << 31}
	for _, a := range sizes {
		for _, b := range sizes {
			for _, c := range sizes {
				p := parser{rest: appendLengths(nil, a, b, c)}
				require.Equal(t, [3]uint64{a, b, c}, [3]uint64{p.uvarint(), p.uvarint(), p.uvarint()})
				require.NoError(t, p.end())
			}
		}
	}
}

func TestReusedCompressorWritesTheSameBytes(t *testing.T) {
	used, err := newCompressor(Zstd)
	require.NoError(t, err)
	rng := rand.New(rand.NewPCG(6, 6))
	for _, size := range []int{1, 1000, 100_000, maxBlockBytes} {
		raw := make([]byte, size)
		for i := range raw {
			raw[i] = byte(rng.IntN(20))
		}
		fresh, err := newEncoder()
		require.NoError(t, err)
		_, stored := used.store(raw)
		_, again := (&compressor{encoder: fresh}).store(raw)
		require.True(t, bytes.Equal(stored, again), "%d bytes", size)
	}
}
