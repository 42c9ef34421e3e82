package codec

import (
	"encoding/hex"
	"errors"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

type (
	userID  int32
	label   string
	flag    bool
	celsius float32
)

// order has fields of each layout: raw, escaped, escaped with bytes 00, last.
type order struct {
	User   string
	ID     int64
	Counts []int16
	Note   []byte
}

func orderCodec() Codec[order] {
	return Struct("order", 3,
		Field("user", func(o *order) *string { return &o.User }, String[string]()),
		Field("id", func(o *order) *int64 { return &o.ID }, Int[int64]()),
		Field("counts", func(o *order) *[]int16 { return &o.Counts }, Slice(Int[int16]())),
		Field("note", func(o *order) *[]byte { return &o.Note }, Bytes()),
	)
}

type point struct {
	X, Y    int16
	Visible bool
}

func pointCodec() Codec[point] {
	return Struct("point", 1,
		Field("x", func(p *point) *int16 { return &p.X }, Int[int16]()),
		Field("y", func(p *point) *int16 { return &p.Y }, Int[int16]()),
		Field("visible", func(p *point) *bool { return &p.Visible }, Bool[bool]()),
	)
}

type empty struct{}

func emptyCodec() Codec[empty] { return Struct[empty]("empty", 1) }

// reversed is a codec of a program's own: the bytes of a string in reverse order.
func reversed() Codec[string] {
	flip := func(dst []byte, s string) []byte {
		for i := len(s) - 1; i >= 0; i-- {
			dst = append(dst, s[i])
		}
		return dst
	}
	return Func("reversed", 7,
		func(dst []byte, v string) ([]byte, error) {
			if strings.Contains(v, "!") {
				return nil, errors.New("no shouting")
			}
			return flip(dst, v), nil
		},
		func(src []byte) (string, error) {
			if strings.Contains(string(src), "!") {
				return "", errors.New("no shouting")
			}
			return string(flip(nil, string(src))), nil
		})
}

// nothing is a codec of fixed size 0.
type nothing struct{}

func (nothing) ID() ID                                     { return ID{Name: "nothing", Version: 1} }
func (nothing) FixedSize() int                             { return 0 }
func (nothing) Size(empty) (int64, error)                  { return 0, nil }
func (nothing) Append(dst []byte, _ empty) ([]byte, error) { return dst, nil }
func (nothing) Compare(_, _ empty) int                     { return 0 }
func (nothing) Decode(src []byte) (empty, error) {
	if len(src) > 0 {
		return empty{}, malformed("nothing", "%d bytes", len(src))
	}
	return empty{}, nil
}

// golden checks the ID of a codec and the encoding of a value, which must never change.
func golden[T any](c Codec[T], v T, id, want string) func(*testing.T) {
	return func(t *testing.T) {
		require.Equal(t, id, c.ID().String())
		want := strings.ReplaceAll(want, " ", "")
		got, err := c.Append(nil, v)
		require.NoError(t, err)
		require.Equal(t, want, hex.EncodeToString(got))
		back, err := c.Decode(got)
		require.NoError(t, err)
		again, err := c.Append(nil, back)
		require.NoError(t, err)
		require.Equal(t, want, hex.EncodeToString(again))
		if c.FixedSize() >= 0 {
			require.Len(t, got, c.FixedSize())
		}
	}
}

func ptr[T any](v T) *T { return &v }

func TestEncodingsNeverChange(t *testing.T) {
	instant := time.Date(2024, 2, 29, 12, 0, 0, 987654321, time.FixedZone("X", 3600))
	for name, row := range map[string]func(*testing.T){
		"bool false":           golden(Bool[bool](), false, "bool/1", "00"),
		"bool true":            golden(Bool[flag](), true, "bool/1", "01"),
		"int8":                 golden(Int[int8](), -1, "int8/1", "7f"),
		"int16":                golden(Int[int16](), 1, "int16/1", "80 01"),
		"int32 named":          golden(Int[userID](), -2, "int32/1", "7f ff ff fe"),
		"int64 least":          golden(Int[int64](), math.MinInt64, "int64/1", "00 00 00 00 00 00 00 00"),
		"int64 zero":           golden(Int[int64](), 0, "int64/1", "80 00 00 00 00 00 00 00"),
		"int64 greatest":       golden(Int[int64](), math.MaxInt64, "int64/1", "ff ff ff ff ff ff ff ff"),
		"int takes 8 bytes":    golden(Int[int](), -5, "int/1", "7f ff ff ff ff ff ff fb"),
		"uint takes 8 bytes":   golden(Int[uint](), 5, "uint/1", "00 00 00 00 00 00 00 05"),
		"uint8":                golden(Int[uint8](), 200, "uint8/1", "c8"),
		"uint16":               golden(Int[uint16](), 0x1234, "uint16/1", "12 34"),
		"uint32":               golden(Int[uint32](), 0x12345678, "uint32/1", "12 34 56 78"),
		"uint64":               golden(Int[uint64](), math.MaxUint64, "uint64/1", "ff ff ff ff ff ff ff ff"),
		"float64 one":          golden(Float[float64](), 1, "float64/1", "bf f0 00 00 00 00 00 00"),
		"float64 minus one":    golden(Float[float64](), -1, "float64/1", "40 0f ff ff ff ff ff ff"),
		"float64 zero":         golden(Float[float64](), 0, "float64/1", "80 00 00 00 00 00 00 00"),
		"float64 minus zero":   golden(Float[float64](), math.Copysign(0, -1), "float64/1", "7f ff ff ff ff ff ff ff"),
		"float64 -Inf":         golden(Float[float64](), math.Inf(-1), "float64/1", "00 0f ff ff ff ff ff ff"),
		"float64 NaN":          golden(Float[float64](), math.Float64frombits(0x7ff0000000000123), "float64/1", "ff f0 00 00 00 00 01 23"),
		"float32 named":        golden(Float[celsius](), -2.5, "float32/1", "3f df ff ff"),
		"string":               golden(String[label](), "a\x00é", "string/1", "61 00 c3 a9"),
		"string empty":         golden(String[string](), "", "string/1", ""),
		"bytes":                golden(Bytes(), []byte{0, 255}, "bytes/1", "00 ff"),
		"bytes nil":            golden(Bytes(), nil, "bytes/1", ""),
		"time":                 golden(Time(), instant, "time/1", "80 00 00 00 65 e0 63 b0 3a de 68 b1"),
		"time zero":            golden(Time(), time.Time{}, "time/1", "7f ff ff f1 88 6e 09 00 00 00 00 00"),
		"time before epoch":    golden(Time(), time.Unix(-1, 5), "time/1", "7f ff ff ff ff ff ff ff 00 00 00 05"),
		"slice nil":            golden(Slice(Int[int16]()), nil, "slice/1(int16/1)", "00"),
		"slice raw":            golden(Slice(Int[int16]()), []int16{1, -1}, "slice/1(int16/1)", "02 8001 7fff"),
		"slice framed":         golden(Slice(String[string]()), []string{"a", "", "bc"}, "slice/1(string/1)", "03 01 61 00 02 6263"),
		"slice of slices":      golden(Slice(Slice(Bool[bool]())), [][]bool{{true}, nil}, "slice/1(slice/1(bool/1))", "02 02 01 01 01 00"),
		"slice long element":   golden(Slice(String[string]()), []string{strings.Repeat("x", 130)}, "slice/1(string/1)", "01 8201"+strings.Repeat("78", 130)),
		"slice of nothing":     golden(Slice[empty](nothing{}), make([]empty, 2), "slice/1(nothing/1)", "02 00 00"),
		"slice of empty":       golden(Slice(emptyCodec()), make([]empty, 2), "slice/1(empty/1)", "02 00 00"),
		"map nil":              golden(Map(String[string](), Int[int8]()), nil, "map/1(string/1,int8/1)", "00"),
		"map by encoded key":   golden(Map(String[string](), Int[int8]()), map[string]int8{"b": 1, "aa": 2, "": 3}, "map/1(string/1,int8/1)", "03 00 83 02 6161 82 01 62 81"),
		"map raw":              golden(Map(Int[int8](), Bool[bool]()), map[int8]bool{1: true, -1: false}, "map/1(int8/1,bool/1)", "02 7f 00 81 01"),
		"pointer nil":          golden(Pointer(String[string]()), nil, "pointer/1(string/1)", "00"),
		"pointer to empty":     golden(Pointer(String[string]()), ptr(""), "pointer/1(string/1)", "01"),
		"pointer":              golden(Pointer(Int[int8]()), ptr(int8(5)), "pointer/1(int8/1)", "01 85"),
		"struct fixed":         golden(pointCodec(), point{X: 1, Y: -1, Visible: true}, "point/1(x:int16/1,y:int16/1,visible:bool/1)", "8001 7fff 01"),
		"struct of no fields":  golden(emptyCodec(), empty{}, "empty/1", "00"),
		"struct zero":          golden(orderCodec(), order{}, "order/3(user:string/1,id:int64/1,counts:slice/1(int16/1),note:bytes/1)", "0001 8000000000000000 00ff 0001"),
		"struct escaped":       golden(orderCodec(), order{User: "a\x00b", ID: -1, Counts: []int16{-32768}, Note: []byte{0}}, "order/3(user:string/1,id:int64/1,counts:slice/1(int16/1),note:bytes/1)", "61 00ff 62 0001 7fffffffffffffff 01 00ff 00ff 0001 00"),
		"json":                 golden(JSON[map[string]int]("counts", 2), map[string]int{"b": 1, "a": 2}, "counts/2(json)", hex.EncodeToString([]byte(`{"a":2,"b":1}`))),
		"binary with append":   golden(Binary[netip.Addr]("addr", 1), netip.MustParseAddr("10.0.0.1"), "addr/1(binary)", "0a 00 00 01"),
		"binary plain":         golden(Binary[plain]("plain", 1), plain{7}, "plain/1(binary)", "07"),
		"function":             golden(reversed(), "abc", "reversed/7", "63 62 61"),
		"function in a struct": golden(Struct("one", 1, Field("s", func(s *string) *string { return s }, reversed())), "ab", "one/1(s:reversed/7)", "62 61"),
	} {
		t.Run(name, row)
	}
}

// plain implements BinaryMarshaler and not BinaryAppender.
type plain struct{ b byte }

func (p *plain) MarshalBinary() ([]byte, error) {
	if p.b == 255 {
		return nil, errors.New("the secret is 255")
	}
	return []byte{p.b}, nil
}

func (p *plain) UnmarshalBinary(src []byte) error {
	if len(src) != 1 {
		return errors.New("the secret is " + string(src))
	}
	p.b = src[0]
	return nil
}
