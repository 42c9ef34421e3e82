package parse

import (
	"encoding/binary"
	"errors"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

var errCorrupt = errors.New("corrupt")

func of(b ...byte) *Parser { return &Parser{Rest: b, Corrupt: errCorrupt} }

func TestFieldsAreReadInTheirOrder(t *testing.T) {
	b := []byte{7}
	b = binary.BigEndian.AppendUint16(b, 0x1234)
	b = binary.BigEndian.AppendUint32(b, 0x12345678)
	b = binary.BigEndian.AppendUint64(b, 0x123456789abcdef0)
	b = binary.AppendUvarint(b, math.MaxUint64)
	b = append(b, 2, 3, 'a', 'b', 'c', 0, 'x')
	p := of(b...)
	require.EqualValues(t, 7, p.Byte())
	require.EqualValues(t, 0x1234, p.Uint16())
	require.EqualValues(t, 0x12345678, p.Uint32())
	require.Equal(t, uint64(0x123456789abcdef0), p.Uint64())
	require.EqualValues(t, uint64(math.MaxUint64), p.Uvarint(math.MaxUint64))
	require.Equal(t, 2, p.Count(3))
	require.Equal(t, "abc", string(p.Bytes(3)))
	require.Empty(t, p.Bytes(3))
	require.Equal(t, "x", string(p.Take(1)))
	require.NoError(t, p.End())
}

func TestMalformedFieldFailsAllLaterReads(t *testing.T) {
	for name, read := range map[string]func(*Parser){
		"past the end":            func(p *Parser) { p.Take(5) },
		"16 bits of one byte":     func(p *Parser) { p.Take(3); p.Uint16() },
		"32 bits of three bytes":  func(p *Parser) { p.Take(1); p.Uint32() },
		"64 bits of four bytes":   func(p *Parser) { p.Uint64() },
		"a number too large":      func(p *Parser) { p.Uvarint(299) },
		"a number too long":       func(p *Parser) { p.Take(2); p.Uvarint(math.MaxUint64) },
		"a count of too much":     func(p *Parser) { p.Count(1) },
		"bytes above their limit": func(p *Parser) { p.Take(3); p.Bytes(0) },
		"bytes after the end":     func(p *Parser) { p.Take(3); require.Error(t, p.End()) },
	} {
		p := of(0xac, 0x02, 0x80, 0x00) // 300 as a uvarint, then 0 in two bytes
		if name == "bytes above their limit" {
			p = of(1, 1, 1, 1)
		}
		read(p)
		require.ErrorIs(t, p.Err, errCorrupt, name)
		first := p.Err
		require.Zero(t, p.Byte())
		require.Zero(t, p.Uint64())
		require.Zero(t, p.Uvarint(1))
		require.Nil(t, p.Bytes(1))
		p.FailWith(errors.New("another"))
		require.Equal(t, first, p.End(), name)
	}
}
