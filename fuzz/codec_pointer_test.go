package fuzz

import (
	"strings"
	"testing"

	"github.com/weirstate/weir/state/codec"
)

func FuzzCodecPointer(f *testing.F) {
	seed(f, "nil", []byte{0}, "", "")
	seed(f, "nil and more", []byte{0, 0}, "a", "")
	seed(f, "pointer to nil", []byte{1, 0}, "a", "b")
	seed(f, "pointer to pointer", []byte{1, 1, 0x80, 0, 0, 1}, "ab", "b")
	seed(f, "unknown mark", []byte{2, 1}, "a", "a")
	text := codec.Pointer(codec.String[string]())
	twice := codec.Pointer(codec.Pointer(codec.Int[int32]()))
	// pointer returns nil for an empty string.
	pointer := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	f.Fuzz(func(t *testing.T, src []byte, a, b string) {
		checkDecode(t, text, true, src)
		checkDecode(t, twice, true, src)
		checkOrder(t, text, func(a, b *string) bool {
			return (a == nil) == (b == nil) && (a == nil || *a == *b)
		}, func(p, q *string) int { return strings.Compare(target(p), target(q)) }, pointer(a), pointer(b))
	})
}

// target returns *p, and an empty string for nil.
func target(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}
