package sstable

import "encoding/binary"

// cursor reads numbers and texts off a slice; after the first failure all reads
// are zero.
type cursor struct {
	rest   []byte
	failed bool
}

func (c *cursor) take(n uint64) []byte {
	if n > uint64(len(c.rest)) {
		c.failed, c.rest = true, nil
		return nil
	}
	b := c.rest[:n:n]
	c.rest = c.rest[n:]
	return b
}

func (c *cursor) byte() byte {
	if b := c.take(1); b != nil {
		return b[0]
	}
	return 0
}

// uvarint is a number in the shortest form there is.
func (c *cursor) uvarint() uint64 {
	v, n := binary.Uvarint(c.rest)
	if n <= 0 || n > 1 && c.rest[n-1] == 0 {
		c.failed, c.rest = true, nil
		return 0
	}
	c.rest = c.rest[n:]
	return v
}

// number is a uvarint that counts or measures something.
func (c *cursor) number() int64 {
	v := c.uvarint()
	if v > 1<<63-1 {
		c.failed, c.rest = true, nil
		return 0
	}
	return int64(v)
}

func (c *cursor) text() []byte { return c.take(c.uvarint()) }

// bound is an end of a range: 0 is that of all keys, else the size and one.
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

func appendText(b, text []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

func appendBound(b, to []byte) []byte {
	if to == nil {
		return append(b, 0)
	}
	return append(binary.AppendUvarint(b, uint64(len(to))+1), to...)
}
