package sstable

import "encoding/binary"

// cursor decodes fields of a byte slice. After the first failure, all reads return zero.
type cursor struct {
	rest   []byte
	failed bool
}

// take returns the next n bytes.
func (c *cursor) take(n uint64) []byte {
	if n > uint64(len(c.rest)) {
		c.failed, c.rest = true, nil
		return nil
	}
	b := c.rest[:n:n]
	c.rest = c.rest[n:]
	return b
}

// byte returns the next byte.
func (c *cursor) byte() byte {
	if b := c.take(1); b != nil {
		return b[0]
	}
	return 0
}

// uvarint returns a number, which must be in its shortest encoding.
func (c *cursor) uvarint() uint64 {
	v, n := binary.Uvarint(c.rest)
	if n <= 0 || n > 1 && c.rest[n-1] == 0 {
		c.failed, c.rest = true, nil
		return 0
	}
	c.rest = c.rest[n:]
	return v
}

// number returns a uvarint that is a count or a size.
func (c *cursor) number() int64 {
	v := c.uvarint()
	if v > 1<<63-1 {
		c.failed, c.rest = true, nil
		return 0
	}
	return int64(v)
}

// text returns bytes after their size.
func (c *cursor) text() []byte { return c.take(c.uvarint()) }

// bound returns the end of a range: 0 encodes nil, the end of all keys; otherwise the size
// plus one comes first.
func (c *cursor) bound() []byte {
	n := c.uvarint()
	if n == 0 {
		return nil
	}
	if b := c.take(n - 1); b != nil {
		return b
	}
	return []byte{}
}

// appendText appends the size of text and text, for cursor.text.
func appendText(b, text []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

// appendBound appends the end of a range, for cursor.bound.
func appendBound(b, to []byte) []byte {
	if to == nil {
		return append(b, 0)
	}
	return append(binary.AppendUvarint(b, uint64(len(to))+1), to...)
}
