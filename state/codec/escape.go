package codec

import (
	"bytes"
	"fmt"
	"slices"
)

// The escape
//
// A part of variable size that is followed by other parts, in a struct or in a composite key, is
// escaped. An escaped part contains its end, and the whole sorts part by part:
//
//	a byte 00 in the part   00 FF
//	any other byte          itself
//	the end of the part     00 01
//
// If one part is the beginning of a longer one, it sorts first, since 00 01 is less than 00 FF and
// less than any other byte. No escaped part is a prefix of another escaped part, so a scan of the
// prefix of "a" does not find "ab". A 00 followed by any byte but FF and 01 is malformed.
const (
	escapeMark = 0x00
	escapeZero = 0xFF // after escapeMark: the part has a byte 00 here
	escapeEnd  = 0x01 // after escapeMark: the part ends here
)

// EscapedSize returns the number of bytes that AppendEscaped adds for raw: its length, one for each
// byte 00 in it, and two for the end.
func EscapedSize(raw []byte) int {
	return len(raw) + bytes.Count(raw, []byte{escapeMark}) + 2
}

// AppendEscaped appends raw to dst, escaped and with its end mark. Raw must not overlap the spare
// capacity of dst.
func AppendEscaped(dst, raw []byte) []byte {
	dst = slices.Grow(dst, len(raw)+2)
	for {
		i := bytes.IndexByte(raw, escapeMark)
		if i < 0 {
			dst = append(dst, raw...)
			return append(dst, escapeMark, escapeEnd)
		}
		dst = append(dst, raw[:i]...)
		dst = append(dst, escapeMark, escapeZero)
		raw = raw[i+1:]
	}
}

// SplitEscaped returns the first escaped part of src, unescaped, and the rest of src. If the part
// contains no byte 00, raw shares memory with src; otherwise raw is written to the memory of dst,
// which is overwritten from its beginning and grown as needed. SplitEscaped returns ErrMalformed
// if the end mark is missing or a mark is unknown.
func SplitEscaped(dst, src []byte) (raw, rest []byte, err error) {
	end, zeros, ok := findEnd(src)
	if !ok {
		return nil, nil, malformedEscape(src, end)
	}
	raw, rest = src[:end:end], src[end+2:]
	if zeros > 0 {
		raw = unescape(dst[:0], raw)
	}
	return raw, rest, nil
}

// SkipEscaped returns the size of the escaped part at the front of src, including the mark of its
// end. It returns false if src does not begin with a complete escaped part. It allocates nothing.
func SkipEscaped(src []byte) (size int, ok bool) {
	if len(src) >= 2 && src[0] == escapeMark && src[1] == escapeEnd {
		return 2, true // an empty part, as most namespaces are
	}
	end, _, ok := findEnd(src)
	return end + 2, ok
}

// findEnd returns the position of the end mark and the number of escaped zeros before it. If src is
// malformed it returns false, and as end the position of the mark that is unknown or incomplete,
// len(src) if there is no mark.
func findEnd(src []byte) (end, zeros int, ok bool) {
	for at := 0; ; zeros++ {
		i := bytes.IndexByte(src[at:], escapeMark)
		if i < 0 {
			return len(src), zeros, false
		}
		at += i
		if at+1 == len(src) {
			return at, zeros, false
		}
		switch src[at+1] {
		case escapeEnd:
			return at, zeros, true
		case escapeZero:
			at += 2
		default:
			return at, zeros, false
		}
	}
}

// malformedEscape returns the error for src, in which findEnd stopped at a position.
func malformedEscape(src []byte, at int) error {
	if at+1 >= len(src) {
		return fmt.Errorf("escape: %w: no end mark in %d bytes", ErrMalformed, len(src))
	}
	return fmt.Errorf("escape: %w: unknown mark at byte %d of %d, want ff or 01", ErrMalformed, at+1, len(src))
}

// unescape appends the unescaped src to dst. Src is an escaped part without its end mark, and
// findEnd has checked it.
func unescape(dst, src []byte) []byte {
	dst = slices.Grow(dst, len(src))
	for {
		i := bytes.IndexByte(src, escapeMark)
		if i < 0 {
			return append(dst, src...)
		}
		dst = append(dst, src[:i+1]...)
		src = src[i+2:]
	}
}

// escapeTail escapes buf[at:] in place, as AppendEscaped does.
func escapeTail(buf []byte, at int) []byte {
	size := EscapedSize(buf[at:])
	longer := size - (len(buf) - at)
	buf = append(buf, escapeMark, escapeEnd)
	if longer == 2 {
		return buf
	}
	// Move the raw part to the end of buf and escape it from there to the front. The write
	// position stays below the read position: their distance is two, for the end mark, plus
	// one for each byte 00 that has not been read yet.
	buf = slices.Grow(buf, longer-2)[:at+size]
	copy(buf[at+longer:], buf[at:])
	AppendEscaped(buf[:at], buf[at+longer:])
	return buf
}
