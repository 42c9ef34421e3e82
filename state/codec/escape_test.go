package codec

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEscapedPartsDecodeAndKeepTheirOrder(t *testing.T) {
	parts := [][]byte{{}, {0}, {0, 0}, {1}, {255}, []byte("a"), []byte("ab"), []byte("a\x00"), []byte("a\x00b"), []byte("a\x00\xff"), bytes.Repeat([]byte{0, 'x'}, 1000)}
	parts = many(seeded(t), randomBytes, parts...)
	rest := []byte{0, 1, 0xff}
	for _, a := range parts {
		x := AppendEscaped([]byte("before"), a)
		require.Equal(t, "before", string(x[:6]))
		x = x[6:]
		require.Len(t, x, EscapedSize(a))

		scratch := []byte("scratch")
		raw, left, err := SplitEscaped(scratch, append(bytes.Clone(x), rest...))
		require.NoError(t, err)
		require.True(t, bytes.Equal(a, raw), "%x came back as %x", a, raw)
		require.Equal(t, rest, left)

		// Escape in place, with and without spare capacity.
		for _, spare := range []int{0, 1, 5000} {
			buf := append(make([]byte, 0, 2+len(a)+spare), "\x00b"...)
			require.Equal(t, "\x00b"+string(x), string(escapeTail(append(buf, a...), 2)))
		}

		for _, b := range parts {
			y := AppendEscaped(nil, b)
			require.Equal(t, bytes.Compare(a, b), bytes.Compare(x, y), "%x and %x", a, b)
			require.Equal(t, bytes.Equal(a, b), bytes.HasPrefix(y, x), "%x and %x", a, b)
		}
	}
}

func TestSplitEscapedDoesNotModifyItsSource(t *testing.T) {
	src := []byte("a\x00\xffb\x00\x01rest")
	_, _, err := SplitEscaped(nil, src)
	require.NoError(t, err)
	require.Equal(t, "a\x00\xffb\x00\x01rest", string(src))

	// Appending to a result must not overwrite the rest of src.
	raw, _, err := SplitEscaped(nil, []byte("ab\x00\x01rest"))
	require.NoError(t, err)
	require.Equal(t, 2, cap(raw))
}

func TestSplitEscapedRejectsMalformedParts(t *testing.T) {
	for _, src := range []string{"", "a", "\x00", "a\x00", "a\x00\xff", "a\x00\x00\x01", "a\x00\x02", "a\x00\xfe\x00\x01", "\x00\xff\x00"} {
		_, _, err := SplitEscaped(nil, []byte(src))
		require.ErrorIs(t, err, ErrMalformed, "%q", src)
	}
}
