package codec

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// rejects checks that Decode returns ErrMalformed for bytes, given in hex.
func rejects[T any](c Codec[T], src string) func(*testing.T) {
	return func(t *testing.T) {
		raw, err := hex.DecodeString(strings.ReplaceAll(src, " ", ""))
		require.NoError(t, err)
		got, err := c.Decode(raw)
		require.ErrorIs(t, err, ErrMalformed)
		require.NotErrorIs(t, err, ErrInvalidCodec)
		require.Zero(t, got)
	}
}

func TestMalformedEncodingsAreRejected(t *testing.T) {
	words, numbers := Slice(String[string]()), Slice(Int[int16]())
	counts, flags := Map(String[string](), Int[int8]()), Map(Int[int8](), Bool[bool]())
	type tail struct {
		Name string
		N    int8
	}
	last := Struct("tail", 1,
		Field("name", func(v *tail) *string { return &v.Name }, String[string]()),
		Field("n", func(v *tail) *int8 { return &v.N }, Codec[int8](lenient{Int[int8]()})))
	temperatures := Map(Float[float32](), Bool[bool]())
	for name, row := range map[string]func(*testing.T){
		"bool: nothing":                      rejects(Bool[bool](), ""),
		"bool: 2":                            rejects(Bool[bool](), "02"),
		"bool: long":                         rejects(Bool[bool](), "01 00"),
		"int: nothing":                       rejects(Int[int64](), ""),
		"int: short":                         rejects(Int[int64](), "00 00 00 00 00 00 00"),
		"int: long":                          rejects(Int[uint8](), "00 00"),
		"int: int is 8 bytes":                rejects(Int[int](), "80 00 00 00"),
		"float: short":                       rejects(Float[float64](), "80 00 00 00"),
		"float: long":                        rejects(Float[float32](), "80 00 00 00 00"),
		"time: short":                        rejects(Time(), "80 00 00 00 00 00 00 00 00 00 00"),
		"time: long":                         rejects(Time(), "80 00 00 00 00 00 00 00 00 00 00 00 00"),
		"time: a second of nanoseconds":      rejects(Time(), "80 00 00 00 00 00 00 00 3b 9a ca 00"),
		"slice: nothing":                     rejects(numbers, ""),
		"slice: bytes after none":            rejects(numbers, "00 00"),
		"slice: more than there is":          rejects(numbers, "02 00 00"),
		"slice: bytes after the last":        rejects(numbers, "01 00 00 00"),
		"slice: half an element":             rejects(numbers, "01 00"),
		"slice: count of two bytes":          rejects(numbers, "81 00 00 00"),
		"slice: count without end":           rejects(numbers, "80"),
		"slice: count of 11 bytes":           rejects(numbers, "ff ff ff ff ff ff ff ff ff ff 01"),
		"slice: count of 2^64-1":             rejects(words, "ff ff ff ff ff ff ff ff ff 01 00"),
		"slice: count of 2^64-1 of nothing":  rejects(words, "ff ff ff ff ff ff ff ff ff 01"),
		"slice: frame is cut":                rejects(words, "01 02 61"),
		"slice: frame of 2^63":               rejects(words, "01 80 80 80 80 80 80 80 80 80 01"),
		"slice: frame of two bytes":          rejects(words, "01 81 00 61"),
		"slice: no frame":                    rejects(words, "02 00"),
		"slice: bytes after a frame":         rejects(words, "01 01 61 61"),
		"slice: element":                     rejects(Slice(Bool[bool]()), "02 01 02"),
		"slice: byte in an empty element":    rejects(Slice[empty](nothing{}), "01 01 00"),
		"map: nothing":                       rejects(counts, ""),
		"map: bytes after none":              rejects(counts, "00 00"),
		"map: more than there is":            rejects(counts, "02 00 80"),
		"map: bytes after the last":          rejects(counts, "01 00 80 00"),
		"map: keys descend":                  rejects(flags, "02 81 00 80 00"),
		"map: a key twice":                   rejects(flags, "02 81 00 81 00"),
		"map: a pointer twice":               rejects(Map(Pointer(Bool[bool]()), Bool[bool]()), "02 020100 00 020100 00"),
		"map: count of 2^64-1 of nothing":    rejects(counts, "ff ff ff ff ff ff ff ff ff 01"),
		"map: key is cut":                    rejects(counts, "01 02 61"),
		"map: value is cut":                  rejects(counts, "01 01 61"),
		"map: key":                           rejects(Map(Bool[bool](), Bool[bool]()), "01 02 00"),
		"map: value":                         rejects(flags, "01 00 02"),
		"map: two zeros are one key":         rejects(temperatures, "02 7fffffff 00 80000000 00"),
		"pointer: nothing":                   rejects(Pointer(Bool[bool]()), ""),
		"pointer: byte after nil":            rejects(Pointer(Bool[bool]()), "00 00"),
		"pointer: 2":                         rejects(Pointer(Bool[bool]()), "02 00"),
		"pointer: element":                   rejects(Pointer(Bool[bool]()), "01"),
		"struct: no byte for no fields":      rejects(emptyCodec(), ""),
		"struct: another byte for none":      rejects(emptyCodec(), "01"),
		"struct: two bytes for none":         rejects(emptyCodec(), "00 00"),
		"struct: nothing":                    rejects(orderCodec(), ""),
		"struct: fixed and short":            rejects(pointCodec(), "80 00 80 00"),
		"struct: fixed and long":             rejects(pointCodec(), "80 00 80 00 00 00"),
		"struct: fixed field":                rejects(pointCodec(), "80 00 80 00 02"),
		"struct: fixed field is cut":         rejects(orderCodec(), "0001 80000000000000"),
		"struct: no end of a field":          rejects(orderCodec(), "61"),
		"struct: mark without its byte":      rejects(orderCodec(), "61 00"),
		"struct: unknown mark":               rejects(orderCodec(), "61 0002 8000000000000000 00ff 0001"),
		"struct: escaped field":              rejects(orderCodec(), "0001 8000000000000000 01 0001"),
		"struct: last field":                 rejects(Struct("s", 1, Field("b", func(b *bool) *bool { return b }, Bool[bool]())), "02"),
		"struct: last field is cut":          rejects(last, "61 0001"),
		"struct: bytes after the last field": rejects(last, "61 0001 00 00"),
		"json: nothing":                      rejects(JSON[int]("j", 1), ""),
		"json: two values":                   rejects(JSON[int]("j", 1), "31 20 31"),
		"json: another type":                 rejects(JSON[int]("j", 1), "22 61 22"),
		"json: no JSON":                      rejects(JSON[int]("j", 1), "7b"),
		"binary: refused by its type":        rejects(Binary[netip.Addr]("a", 1), "01 02 03"),
		"function: refused by its decode":    rejects(reversed(), "21"),
	} {
		t.Run(name, row)
	}
}

func TestIntegersTooWideForThePlatformAreRejected(t *testing.T) {
	narrow := &intCodec[int32]{name: "int", size: 8, sign: 1 << 63} // the codec that Int[int] returns on a 32-bit platform
	for _, v := range []int64{0, -1, math.MaxInt32, math.MinInt32, math.MaxInt32 + 1, math.MinInt32 - 1, math.MaxInt64, math.MinInt64} {
		raw, err := Int[int64]().Append(nil, v)
		require.NoError(t, err)
		got, err := narrow.Decode(raw)
		if v != int64(int32(v)) {
			require.ErrorIs(t, err, ErrMalformed)
			continue
		}
		require.NoError(t, err)
		require.EqualValues(t, v, got)
	}
	unsigned := &intCodec[uint32]{name: "uint", size: 8}
	_, err := unsigned.Decode([]byte{0, 0, 0, 1, 0, 0, 0, 0})
	require.ErrorIs(t, err, ErrMalformed)
}

// refuses checks that Size and Append return an error for a value.
func refuses[T any](c Codec[T], v T, want error) func(*testing.T) {
	return func(t *testing.T) {
		size, err := c.Size(v)
		require.ErrorIs(t, err, want)
		require.Zero(t, size)
		dst := append(make([]byte, 0, 100), "before"...)
		dst, err = c.Append(dst, v)
		require.ErrorIs(t, err, want)
		require.Equal(t, "before", string(dst))
	}
}

// lenient has a fixed size and decodes bytes of any size.
type lenient struct{ Codec[int8] }

func (lenient) Decode([]byte) (int8, error) { return 0, nil }

// liar is a codec whose FixedSize is not the size of its encodings.
type liar struct{ Codec[int8] }

func (liar) FixedSize() int { return 2 }

func TestValuesWithoutAnEncodingAreRefused(t *testing.T) {
	var (
		nan      = math.NaN()
		now      = time.Now()
		self     = func(s *string) *string { return s }
		shouting = reversed()
		number   = JSON[float64]("number", 1)
	)
	type both struct{ A, B string }
	for name, row := range map[string]func(*testing.T){
		"json: channel":                 refuses(JSON[chan int]("c", 1), make(chan int), ErrUnencodable),
		"json: NaN":                     refuses(number, nan, ErrUnencodable),
		"binary: refused by its type":   refuses(Binary[plain]("p", 1), plain{255}, ErrUnencodable),
		"function: refused by encode":   refuses(shouting, "a!", ErrUnencodable),
		"slice: second element":         refuses(Slice(shouting), []string{"a", "a!"}, ErrUnencodable),
		"slice: wrong fixed size":       refuses(Slice[int8](liar{Int[int8]()}), []int8{1}, ErrInvalidCodec),
		"map: key":                      refuses(Map(shouting, Bool[bool]()), map[string]bool{"a": true, "a!": true}, ErrUnencodable),
		"map: value":                    refuses(Map(Bool[bool](), shouting), map[bool]string{true: "a", false: "a!"}, ErrUnencodable),
		"map: two NaNs":                 refuses(Map(Float[float64](), Bool[bool]()), map[float64]bool{nan: true, nan: false}, ErrUnencodable),
		"map: two pointers":             refuses(Map(Pointer(String[string]()), Bool[bool]()), map[*string]bool{ptr("a"): true, ptr("a"): true, nil: true}, ErrUnencodable),
		"map: one instant, two zones":   refuses(Map(Time(), Bool[bool]()), map[time.Time]bool{now.UTC(): true, now.In(time.FixedZone("", 60)): true}, ErrUnencodable),
		"pointer":                       refuses(Pointer(shouting), ptr("a!"), ErrUnencodable),
		"struct: last field":            refuses(Struct("s", 1, Field("self", self, shouting)), "a!", ErrUnencodable),
		"struct: field of a wrong size": refuses(Struct("s", 1, Field("v", func(v *int8) *int8 { return v }, Codec[int8](liar{Int[int8]()}))), 1, ErrInvalidCodec),
		"struct: escaped field": refuses(Struct("s", 1,
			Field("a", func(b *both) *string { return &b.A }, shouting),
			Field("b", func(b *both) *string { return &b.B }, shouting)), both{"a!", ""}, ErrUnencodable),
	} {
		t.Run(name, row)
	}
}

func TestInvalidCodecsReturnErrInvalidCodec(t *testing.T) {
	type nested struct {
		A, B  string
		Point point
		Other *shape
	}
	a := Field("a", func(n *nested) *string { return &n.A }, String[string]())
	field := func(f FieldOf[nested]) Codec[nested] { return Struct("s", 1, f) }
	var global string
	wrong := Struct("", 1, a)
	for name, c := range map[string]Codec[nested]{
		"no name":             wrong,
		"name with a comma":   Struct("a,b", 1, a),
		"built-in name":       Struct("slice", 1, a),
		"json, built-in name": JSON[nested]("string", 1),
		"json, no name":       JSON[nested]("", 1),
		"func, no name":       Func("", 1, func(dst []byte, _ nested) ([]byte, error) { return dst, nil }, func([]byte) (nested, error) { return nested{}, nil }),
		"func, no function":   Func[nested]("f", 1, nil, nil),
		"field twice":         Struct("s", 1, a, a),
		"name twice":          Struct("s", 1, a, Field("a", func(n *nested) *string { return &n.B }, String[string]())),
		"memory twice":        Struct("s", 1, a, Field("b", func(n *nested) *string { return &n.A }, String[string]())),
		"memory overlaps": Struct("s", 1,
			Field("y", func(n *nested) *int16 { return &n.Point.Y }, Int[int16]()),
			Field("point", func(n *nested) *point { return &n.Point }, pointCodec())),
		"field without name":      field(Field("", func(n *nested) *string { return &n.A }, String[string]())),
		"field name with colon":   field(Field("a:b", func(n *nested) *string { return &n.A }, String[string]())),
		"field without codec":     field(Field[nested, string]("a", func(n *nested) *string { return &n.A }, nil)),
		"field without ptr":       field(Field[nested, string]("a", nil, String[string]())),
		"field behind pointer":    field(Field("x", func(n *nested) *string { return &n.Other.X }, String[string]())),
		"field somewhere else":    field(Field("x", func(*nested) *string { return &global }, String[string]())),
		"field of no size is nil": field(Field("x", func(*nested) *empty { return nil }, emptyCodec())),
		"field is nil":            field(Field("x", func(*nested) *string { return nil }, String[string]())),
		"field not by Field":      field(FieldOf[nested]{}),
		"field of wrong codec":    Struct("s", 1, Field("self", func(n *nested) *nested { return n }, wrong)),
	} {
		t.Run(name, func(t *testing.T) {
			refuses(c, nested{}, ErrInvalidCodec)(t)
			refuses(Slice(c), nil, ErrInvalidCodec)(t)
			refuses(Pointer(c), nil, ErrInvalidCodec)(t)
			refuses(Map(c, c), nil, ErrInvalidCodec)(t)
			refuses(Map(Bool[bool](), c), nil, ErrInvalidCodec)(t)
			_, err := c.Decode(nil)
			require.ErrorIs(t, err, ErrInvalidCodec)
			require.Zero(t, c.Compare(nested{}, nested{A: "a"}))
			require.Equal(t, -1, c.FixedSize())
		})
	}
	refuses(Slice[int](nil), nil, ErrInvalidCodec)(t)
	refuses(Binary[plain]("", 1), plain{}, ErrInvalidCodec)(t)
}

type shape struct{ X string }

func TestErrorsDoNotQuoteTheData(t *testing.T) {
	const secret = "secret"
	type named struct{ Secret int8 }
	_, syntax := JSON[named]("j", 1).Decode([]byte(`{"Secret":1}secret`))
	_, mismatch := JSON[named]("j", 1).Decode([]byte(`{"Secret":20071969}`))
	_, infinite := JSON[float64]("j", 1).Append(nil, math.Inf(1))
	_, decoding := Binary[plain]("b", 1).Decode([]byte(secret))
	_, encoding := Binary[plain]("b", 1).Append(nil, plain{255})
	_, nested := Slice(Binary[plain]("b", 1)).Decode([]byte("\x01\x06secret"))
	_, field := orderCodec().Decode([]byte(secret))
	for _, err := range []error{syntax, mismatch, infinite, decoding, encoding, nested, field} {
		require.Error(t, err)
		for _, word := range []string{"secret", "20071969", "Inf", "255"} {
			require.NotContains(t, err.Error(), word)
		}
	}
	// errors.As finds the cause.
	var cause *json.UnmarshalTypeError
	require.ErrorAs(t, mismatch, &cause)
	require.EqualError(t, mismatch, `codec "j": malformed encoding: 19 bytes are not the JSON of a codec.named: wrong type before byte 18`)
}

func TestErrorsOfFunctionsAreWrapped(t *testing.T) {
	mine := errors.New("mine")
	c := Func("f", 1,
		func([]byte, int) ([]byte, error) { return nil, mine },
		func([]byte) (int, error) { return 7, mine })
	refuses(c, 1, mine)(t)
	got, err := c.Decode([]byte{1})
	require.ErrorIs(t, err, mine)
	require.ErrorIs(t, err, ErrMalformed)
	require.Zero(t, got)
}

func TestEncodeFunctionThatShortensDstIsAnError(t *testing.T) {
	c := Func("f", 1,
		func([]byte, int) ([]byte, error) { return []byte("12"), nil },
		func([]byte) (int, error) { return 0, nil })
	got, err := c.Append([]byte("before"), 12)
	require.ErrorIs(t, err, ErrInvalidCodec)
	require.Equal(t, "before", string(got))
}

func TestHostileCountsAllocateLittle(t *testing.T) {
	type page struct {
		N    int8
		Rest [1000]byte
	}
	pages := Struct("page", 1,
		Field("n", func(p *page) *int8 { return &p.N }, Int[int8]()),
		Field("s", func(p *page) *[1000]byte { return &p.Rest }, Func("rest", 1,
			func(dst []byte, _ [1000]byte) ([]byte, error) { return dst, nil },
			func([]byte) (v [1000]byte, err error) { return v, nil })))
	src := make([]byte, 1<<20)
	// Counts that the following bytes might just hold, then zeros: the first
	// element is too short to be one.
	many := binary.AppendUvarint(nil, uint64(len(src)-8))
	half := binary.AppendUvarint(nil, uint64(len(src)/2-8))
	for name, decode := range map[string]func() error{
		"slice": func() error {
			copy(src, many)
			_, err := Slice(pages).Decode(src)
			return err
		},
		"map": func() error {
			copy(src, half)
			_, err := Map(Int[int8](), pages).Decode(src)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			require.ErrorContains(t, decode(), `codec "page"`)
			runtime.ReadMemStats(&after)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(16*len(src)))
		})
	}
}
