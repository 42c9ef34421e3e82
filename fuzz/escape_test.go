package fuzz

import (
	"bytes"
	"errors"
	"testing"

	"github.com/weirstate/weir/state/codec"
)

func FuzzEscape(f *testing.F) {
	seed(f, "empty", []byte{0, 1}, []byte{}, []byte{0})
	seed(f, "zeros", []byte{0, 0xFF, 0, 1, 'x'}, []byte{0, 0}, []byte{0, 1})
	seed(f, "unknown mark", []byte{'a', 0, 2, 0, 1}, []byte("a"), []byte("a\x00"))
	seed(f, "no end", []byte{'a', 0}, []byte("ab"), []byte("a"))
	f.Fuzz(func(t *testing.T, src, a, b []byte) {
		before := bytes.Clone(src)
		raw, rest, err := codec.SplitEscaped(make([]byte, 3), src)
		switch {
		case err != nil:
			if !errors.Is(err, codec.ErrMalformed) {
				t.Fatal(err)
			}
		case !bytes.Equal(append(codec.AppendEscaped(nil, raw), rest...), src):
			t.Fatalf("%x decodes to %x and %x, which are encoded to other bytes", src, raw, rest)
		}
		if !bytes.Equal(before, src) {
			t.Fatal("the input was changed")
		}

		first, second := codec.AppendEscaped(nil, a), codec.AppendEscaped([]byte{}, b)
		if codec.EscapedSize(a) != len(first) {
			t.Fatalf("EscapedSize is %d for %d bytes", codec.EscapedSize(a), len(first))
		}
		raw, rest, err = codec.SplitEscaped(nil, append(bytes.Clone(first), second...))
		if err != nil || !bytes.Equal(raw, a) || !bytes.Equal(rest, second) {
			t.Fatalf("%x with other bytes after it decodes to %x, %x, %v", a, raw, rest, err)
		}
		if bytes.Compare(first, second) != bytes.Compare(a, b) {
			t.Fatalf("%x and %x are escaped to the wrong order", a, b)
		}
		if !bytes.Equal(a, b) && bytes.HasPrefix(first, second) {
			t.Fatalf("%x is a prefix of %x", second, first)
		}
	})
}
