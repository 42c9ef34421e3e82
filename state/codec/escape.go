package codec

import (
	"bytes"
	"fmt"
	"slices"
)

// The escape
//
// A variable-size part that others follow, in a struct or in a composite key,
// is written so that it says where it ends and the whole still sorts part by
// part:
//
//	a byte 00 in the part   00 FF
//	any other byte          itself
//	the end of the part     00 01
//
// A part that ends where another goes on sorts first, since 00 01 is below
// both 00 FF and every other byte. No escaped part is a prefix of another, so
// all keys that begin with "a" are found without touching those with "ab". The
// bytes that may follow 00 are only these two; any other is malformed.
const (
	escapeMark = 0x00
	escapeZero = 0xFF // after a mark: the part has a 00 here
	escapeEnd  = 0x01 // after a mark: the part ends here
)

// EscapedSize is the number of bytes that AppendEscaped adds for raw: its
// length, one for every 00 in it and two for the end.
func EscapedSize(raw []byte) int {
	return len(raw) + bytes.Count(raw, []byte{escapeMark}) + 2
}

// AppendEscaped adds raw, escaped and with the mark of its end, to dst. Raw
// must not overlap the spare capacity of dst.
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

// SplitEscaped cuts the first escaped part off src and unescapes it; rest is
// what follows its end. Raw is a piece of src itself if nothing in it was
// escaped; otherwise it is written over dst, which is only memory to use and is
// grown if need be. An error wraps ErrMalformed: no end, or a mark followed by
// a byte that AppendEscaped does not write.
func SplitEscaped(dst, src []byte) (raw, rest []byte, err error) {
	end, zeros, err := findEnd(src)
	if err != nil {
		return nil, nil, err
	}
	raw, rest = src[:end:end], src[end+2:]
	if zeros > 0 {
		raw = unescape(dst[:0], raw)
	}
	return raw, rest, nil
}

// findEnd returns where the mark of the end is, and how many escaped 00 come
// before it.
func findEnd(src []byte) (end, zeros int, err error) {
	for at := 0; ; zeros++ {
		i := bytes.IndexByte(src[at:], escapeMark)
		if i < 0 || at+i+1 == len(src) {
			return 0, 0, fmt.Errorf("escape: %w: no end in %d bytes", ErrMalformed, len(src))
		}
		at += i
		switch src[at+1] {
		case escapeEnd:
			return at, zeros, nil
		case escapeZero:
			at += 2
		default:
			return 0, 0, fmt.Errorf("escape: %w: unknown mark at byte %d of %d", ErrMalformed, at+1, len(src))
		}
	}
}

// unescape adds to dst what was escaped as src, which findEnd has checked.
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

// escapeTail turns buf[at:] into what AppendEscaped would have made of it.
func escapeTail(buf []byte, at int) []byte {
	size := EscapedSize(buf[at:])
	longer := size - (len(buf) - at)
	buf = append(buf, escapeMark, escapeEnd)
	if longer == 2 {
		return buf
	}
	// Move the part to the end of its room. What is written from the front
	// then never reaches what is still to be read: the distance is two, for
	// the end, plus one for each 00 that is still ahead.
	buf = slices.Grow(buf, longer-2)[:at+size]
	copy(buf[at+longer:], buf[at:])
	AppendEscaped(buf[:at], buf[at+longer:])
	return buf
}
