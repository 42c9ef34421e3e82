package codec

import (
	"bytes"
	"cmp"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// subject is a codec and values to test it with.
type subject[T any] struct {
	codec  Codec[T]
	values []T
	same   func(a, b T) bool // reports whether b is the decoded a
	loose  bool              // Decode accepts more than Append writes
}

// subjectTests are the properties of every codec.
type subjectTests interface {
	roundTrip(t *testing.T)
	order(t *testing.T)
	canonical(t *testing.T, r *rand.Rand)
	normal(t *testing.T)
}

func (s subject[T]) encode(t *testing.T, v T) []byte {
	raw, err := s.codec.Append([]byte{}, v)
	require.NoError(t, err)
	return raw
}

func (s subject[T]) roundTrip(t *testing.T) {
	for _, v := range s.values {
		raw := s.encode(t, v)
		size, err := s.codec.Size(v)
		require.NoError(t, err)
		require.EqualValues(t, len(raw), size, "Size of %#v", v)
		if fixed := s.codec.FixedSize(); fixed >= 0 {
			require.Len(t, raw, fixed)
		}

		// With and without spare capacity, the bytes before stay.
		for _, spare := range []int{0, 4 * len(raw)} {
			prefix := append(make([]byte, 0, 3+spare), 0, 'x', 0)
			got, err := s.codec.Append(prefix, v)
			require.NoError(t, err)
			require.Equal(t, append([]byte{0, 'x', 0}, raw...), got)
		}

		src := bytes.Clone(raw)
		back, err := s.codec.Decode(src)
		require.NoError(t, err)
		require.Equal(t, raw, src, "Decode must not modify src")
		for i := range src {
			src[i] ^= 0xA5 // Decode must not keep src
		}
		require.True(t, s.same(v, back), "%#v came back as %#v", v, back)
		require.Equal(t, raw, s.encode(t, back))
	}
}

func (s subject[T]) order(t *testing.T) {
	var raw [][]byte
	for _, v := range s.values {
		raw = append(raw, s.encode(t, v))
	}
	for i, a := range s.values {
		for j, b := range s.values {
			want := bytes.Compare(raw[i], raw[j])
			if got := s.codec.Compare(a, b); cmp.Compare(got, 0) != want {
				require.Failf(t, "Compare disagrees with the encodings", "%#v (%x) and %#v (%x): %d", a, raw[i], b, raw[j], got)
			}
			if got := CompareEncoded(s.codec, a, b); got != want {
				require.Failf(t, "CompareEncoded disagrees with the encodings", "%#v and %#v: %d", a, b, got)
			}
		}
	}
}

// canonical checks that bytes which decode without an error are the encoding of the decoded value.
func (s subject[T]) canonical(t *testing.T, r *rand.Rand) {
	for _, v := range s.values {
		raw := s.encode(t, v)
		for range 20 {
			src := mutate(r, raw)
			got, err := s.codec.Decode(src)
			if err != nil {
				require.ErrorIs(t, err, ErrMalformed)
				continue
			}
			again := s.encode(t, got)
			if !s.loose && !bytes.Equal(src, again) {
				require.Failf(t, "decoded what is no encoding", "%x became %#v, which is %x", src, got, again)
			}
		}
	}
}

// mutate changes, truncates, doubles or extends a copy of raw. It prefers bytes with a meaning in
// encodings.
func mutate(r *rand.Rand, raw []byte) []byte {
	special := []byte{0, 1, 2, 0x7f, 0x80, 0x81, 0xff}
	pick := func() byte {
		if r.IntN(2) == 0 {
			return byte(r.IntN(256))
		}
		return special[r.IntN(len(special))]
	}
	src := bytes.Clone(raw)
	for range 1 + r.IntN(3) {
		at := r.IntN(len(src) + 1)
		switch {
		case r.IntN(3) == 0:
			src = slices.Insert(src, at, pick())
		case at == len(src):
		case r.IntN(4) == 0:
			src = src[:at]
		case r.IntN(3) == 0:
			src = slices.Delete(src, at, at+1)
		default:
			src[at] = pick()
		}
	}
	return src
}

func equal[T comparable](a, b T) bool { return a == b }

// sameBits compares floats by their bits: a NaN equals itself, -0 does not equal +0.
func sameBits[T ~float32 | ~float64](a, b T) bool {
	return bytes.Equal(memory(&a), memory(&b))
}

func memory[T any](v *T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v))
}

func sameTime(a, b time.Time) bool { return a.Equal(b) && b.Location() == time.UTC }

func sameBytes(a, b []byte) bool {
	return bytes.Equal(a, b) && (len(b) > 0 || b == nil) && cap(b) == len(b)
}

func sameSlice[T any](same func(a, b T) bool) func(a, b []T) bool {
	return func(a, b []T) bool {
		return slices.EqualFunc(a, b, same) && (len(b) > 0 || b == nil) && cap(b) == len(b)
	}
}

func sameOrder(a, b order) bool {
	return a.User == b.User && a.ID == b.ID && sameSlice(equal[int16])(a.Counts, b.Counts) && sameBytes(a.Note, b.Note)
}

func samePointer[T any](same func(a, b T) bool) func(a, b *T) bool {
	return func(a, b *T) bool {
		return (a == nil) == (b == nil) && (a == nil || same(*a, *b))
	}
}

func sameMap[K comparable, V comparable](a, b map[K]V) bool {
	for k, v := range a {
		if w, ok := b[k]; !ok || v != w {
			return false
		}
	}
	return len(a) == len(b) && (len(b) > 0 || b == nil)
}

// many returns the given values, followed by random ones.
func many[T any](r *rand.Rand, next func(*rand.Rand) T, given ...T) []T {
	for range 40 {
		given = append(given, next(r))
	}
	return given
}

// randomInteger returns integers of all magnitudes, many of them equal or adjacent.
func randomInteger[T Integer](r *rand.Rand) T {
	return T(r.Uint64() >> r.IntN(64))
}

func randomFloat64(r *rand.Rand) float64 {
	if r.IntN(2) == 0 {
		return math.Float64frombits(r.Uint64())
	}
	return r.NormFloat64() * 100
}

func randomFloat32(r *rand.Rand) float32 { return math.Float32frombits(r.Uint32()) }

// randomBytes returns short slices of few letters, so that many have common prefixes.
func randomBytes(r *rand.Rand) []byte {
	const letters = "\x00\x00\x00\x01\x02a\xfe\xff\xff"
	b := make([]byte, r.IntN(6))
	for i := range b {
		b[i] = letters[r.IntN(len(letters))]
	}
	return b
}

func randomString(r *rand.Rand) string { return string(randomBytes(r)) }

func randomTime(r *rand.Rand) time.Time {
	zone := time.FixedZone("", r.IntN(7200)-3600)
	if r.IntN(2) == 0 {
		return time.Unix(int64(r.IntN(4)), int64(r.IntN(4))).In(zone)
	}
	return time.Unix(int64(r.Uint64()), int64(r.IntN(1e9))).In(zone)
}

func randomSlice[T any](next func(*rand.Rand) T) func(*rand.Rand) []T {
	return func(r *rand.Rand) []T {
		s := make([]T, r.IntN(5))
		for i := range s {
			s[i] = next(r)
		}
		return s
	}
}

func randomOrder(r *rand.Rand) order {
	return order{
		User:   randomString(r),
		ID:     int64(r.IntN(3)) - 1,
		Counts: randomSlice(func(r *rand.Rand) int16 { return int16(r.IntN(3)) - 1 })(r),
		Note:   randomBytes(r),
	}
}

func randomMap(r *rand.Rand) map[string]int8 {
	m := map[string]int8{}
	for range r.IntN(5) {
		m[randomString(r)] = int8(r.IntN(3))
	}
	return m
}

func largeMap(n int) map[string]int8 {
	m := map[string]int8{}
	for i := range n {
		m[strconv.Itoa(i)] = 1
	}
	return m
}

func integers[T Integer](r *rand.Rand) subject[T] {
	var zero T
	c := Int[T]()
	signed := zero-1 < zero
	least, greatest := zero, zero-1
	if signed {
		least = T(1) << (8*unsafe.Sizeof(zero) - 1)
		greatest = least - 1
	}
	values := many(r, randomInteger[T], zero, 1, zero-1, least, least+1, greatest, greatest-1)
	return subject[T]{codec: c, values: values, same: equal[T]}
}

// subjects returns every codec, and several combinations of those that nest others.
func subjects(r *rand.Rand) map[string]subjectTests {
	long := string(bytes.Repeat([]byte("\x00long"), 5000))
	floats := []float64{0, math.Copysign(0, -1), 1, -1, math.Inf(1), math.Inf(-1), math.NaN(),
		math.SmallestNonzeroFloat64, -math.SmallestNonzeroFloat64, math.MaxFloat64,
		math.Float64frombits(0x7ff0000000000001), math.Float64frombits(0xfff8000000000abc)}
	floats32 := []float32{0, float32(math.Copysign(0, -1)), 1, -1, math.MaxFloat32,
		math.Float32frombits(0x7f800001), math.Float32frombits(0xff800001), math.Float32frombits(0x7fc00abc)}
	times := []time.Time{{}, time.Now(), time.Unix(0, 0), time.Unix(-1, 999999999),
		time.Unix(math.MaxInt64, 999999999), time.Unix(math.MinInt64, 0),
		time.Date(math.MaxInt32, 12, 31, 23, 59, 59, 999999999, time.UTC),
		time.Date(math.MinInt32, 1, 1, 0, 0, 0, 0, time.UTC)}
	one := func(r *rand.Rand) *string {
		if r.IntN(3) == 0 {
			return nil
		}
		return ptr(randomString(r))
	}
	return map[string]subjectTests{
		"int":     integers[int](r),
		"int8":    integers[int8](r),
		"int16":   integers[int16](r),
		"int32":   integers[userID](r),
		"int64":   integers[int64](r),
		"uint":    integers[uint](r),
		"uint8":   integers[uint8](r),
		"uint16":  integers[uint16](r),
		"uint32":  integers[uint32](r),
		"uint64":  integers[uint64](r),
		"float64": subject[float64]{codec: Float[float64](), values: many(r, randomFloat64, floats...), same: sameBits[float64]},
		"float32": subject[float32]{codec: Float[float32](), values: many(r, randomFloat32, floats32...), same: sameBits[float32]},
		"bool":    subject[flag]{codec: Bool[flag](), values: []flag{false, true}, same: equal[flag]},
		"string":  subject[label]{codec: String[label](), values: many(r, func(r *rand.Rand) label { return label(randomString(r)) }, "", label(long)), same: equal[label]},
		"bytes":   subject[[]byte]{codec: Bytes(), values: many(r, randomBytes, nil, []byte{}, []byte(long)), same: sameBytes},
		"time":    subject[time.Time]{codec: Time(), values: many(r, randomTime, times...), same: sameTime},

		"slice raw":        subject[[]int16]{codec: Slice(Int[int16]()), values: many(r, randomSlice(randomInteger[int16]), nil, make([]int16, 300), make([]int16, 255)), same: sameSlice(equal[int16])},
		"slice framed":     subject[[]string]{codec: Slice(String[string]()), values: many(r, randomSlice(randomString), nil, []string{long, ""}, []string{long[:300]}, []string{long[:255]}), same: sameSlice(equal[string])},
		"slice of slices":  subject[[][]string]{codec: Slice(Slice(String[string]())), values: many(r, randomSlice(randomSlice(randomString)), nil, [][]string{nil}, [][]string{{}, nil}), same: sameSlice(sameSlice(equal[string]))},
		"slice of structs": subject[[]order]{codec: Slice(orderCodec()), values: many(r, randomSlice(randomOrder), nil), same: sameSlice(sameOrder)},
		"slice of nothing": subject[[]empty]{codec: Slice[empty](nothing{}), values: [][]empty{nil, {}, make([]empty, 1), make([]empty, 200)}, same: sameSlice(equal[empty])},
		"slice of maps":    subject[[]map[string]int8]{codec: Slice(Map(String[string](), Int[int8]())), values: many(r, randomSlice(randomMap), nil), same: sameSlice(sameMap[string, int8])},

		"map": subject[map[string]int8]{codec: Map(String[string](), Int[int8]()), values: many(r, randomMap, nil, map[string]int8{}, map[string]int8{long: 1}, largeMap(255), largeMap(300)), same: sameMap[string, int8]},
		"map by float": subject[map[float64]string]{codec: Map(Float[float64](), String[string]()), values: many(r, func(r *rand.Rand) map[float64]string {
			return map[float64]string{r.NormFloat64(): "a", math.Copysign(0, float64(r.IntN(2))-1): randomString(r)}
		}, nil), same: sameMap[float64, string]},
		"map by nothing": subject[map[empty]empty]{codec: Map[empty, empty](nothing{}, nothing{}), values: []map[empty]empty{nil, {}, {{}: {}}}, same: sameMap[empty, empty]},
		"map by struct":  subject[map[point]bool]{codec: Map(pointCodec(), Bool[bool]()), values: many(r, func(r *rand.Rand) map[point]bool { return map[point]bool{{X: 1, Y: int16(r.IntN(3))}: true, {}: false} }), same: sameMap[point, bool]},

		"pointer":            subject[*string]{codec: Pointer(String[string]()), values: many(r, one, nil, ptr("")), same: samePointer(equal[string])},
		"pointer to pointer": subject[**string]{codec: Pointer(Pointer(String[string]())), values: []**string{nil, ptr[*string](nil), ptr(ptr("")), ptr(ptr("a"))}, same: samePointer(samePointer(equal[string]))},

		"struct": subject[order]{codec: orderCodec(), values: many(r, randomOrder, order{}, order{User: long, Note: []byte(long)}), same: sameOrder},
		"struct fixed": subject[point]{codec: pointCodec(), values: many(r, func(r *rand.Rand) point {
			return point{int16(r.IntN(3) - 1), randomInteger[int16](r), r.IntN(2) == 0}
		}, point{}), same: equal[point]},
		"struct of no fields": subject[empty]{codec: emptyCodec(), values: []empty{{}}, same: equal[empty]},
		"struct of structs":   subject[pair]{codec: pairCodec(), values: many(r, randomPair, pair{}), same: samePair},

		"json":     subject[map[string]int8]{codec: JSON[map[string]int8]("m", 1), values: []map[string]int8{nil, {"a": 1}, {"<": 2, "b": 3}}, same: func(a, b map[string]int8) bool { return (a == nil) == (b == nil) && len(a) == len(b) }, loose: true},
		"binary":   subject[netip.Addr]{codec: Binary[netip.Addr]("addr", 1), values: []netip.Addr{{}, netip.MustParseAddr("1.2.3.4"), netip.MustParseAddr("::1"), netip.MustParseAddr("fe80::1%eth0")}, same: equal[netip.Addr], loose: true},
		"function": subject[string]{codec: reversed(), values: many(r, randomString, ""), same: equal[string]},
	}
}

// pair has a struct of variable size before another field, so that an escaped part is escaped again,
// and fields that take no bytes.
type pair struct {
	First  order
	None   empty
	Second *order
	Heat   celsius
	End    empty
}

func pairCodec() Codec[pair] {
	return Struct("pair", 1,
		Field("first", func(p *pair) *order { return &p.First }, orderCodec()),
		Field("none", func(p *pair) *empty { return &p.None }, Codec[empty](nothing{})),
		Field("second", func(p *pair) **order { return &p.Second }, Pointer(orderCodec())),
		Field("heat", func(p *pair) *celsius { return &p.Heat }, Float[celsius]()),
		Field("end", func(p *pair) *empty { return &p.End }, Codec[empty](nothing{})),
	)
}

func randomPair(r *rand.Rand) pair {
	p := pair{First: randomOrder(r), Heat: celsius(r.IntN(3))}
	if r.IntN(2) == 0 {
		p.Second = ptr(randomOrder(r))
	}
	return p
}

func samePair(a, b pair) bool {
	return sameOrder(a.First, b.First) && samePointer(sameOrder)(a.Second, b.Second) && a.Heat == b.Heat
}

func seeded(t *testing.T) *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func TestDecodeReturnsTheEncodedValue(t *testing.T) {
	for name, s := range subjects(seeded(t)) {
		t.Run(name, s.roundTrip)
	}
}

func TestCompareOrdersAsTheEncodings(t *testing.T) {
	for name, s := range subjects(seeded(t)) {
		t.Run(name, s.order)
	}
}

func TestOnlyEncodingsDecode(t *testing.T) {
	r := seeded(t)
	for name, s := range subjects(r) {
		t.Run(name, func(t *testing.T) { s.canonical(t, r) })
	}
}

func TestCodecsAreSafeForConcurrentUse(t *testing.T) {
	for name, s := range subjects(seeded(t)) {
		for range 2 {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s.roundTrip(t)
				s.order(t)
			})
		}
	}
}

// naturally checks that encodings are ordered as compare orders the values.
func naturally[T any](c Codec[T], values []T, compare func(a, b T) int) func(*testing.T) {
	return func(t *testing.T) {
		for _, a := range values {
			for _, b := range values {
				x, _ := c.Append(nil, a)
				y, _ := c.Append(nil, b)
				if compare(a, b) != bytes.Compare(x, y) {
					require.Failf(t, "out of order", "%#v (%x) and %#v (%x)", a, x, b, y)
				}
			}
		}
	}
}

func TestEncodingsAreOrderedAsTheirValues(t *testing.T) {
	r := seeded(t)
	var floats []float64
	for _, f := range many(r, randomFloat64, 1, -1, math.Inf(1), math.Inf(-1)) {
		if f == f {
			floats = append(floats, f)
		}
	}
	var floats32 []float32
	for _, f := range many(r, randomFloat32, 1, -1, 0) {
		if f == f {
			floats32 = append(floats32, f)
		}
	}
	comparePair := func(a, b pair) int {
		second := 0
		switch {
		case a.Second == nil && b.Second != nil:
			second = -1
		case a.Second != nil && b.Second == nil:
			second = 1
		case a.Second != nil:
			second = compareOrder(*a.Second, *b.Second)
		}
		return cmp.Or(compareOrder(a.First, b.First), second, cmp.Compare(a.Heat, b.Heat))
	}
	recent := many(r, func(r *rand.Rand) time.Time { return time.Unix(r.Int64N(1<<61)-1<<60, int64(r.IntN(2))) }, time.Time{}, time.Now())
	for name, test := range map[string]func(*testing.T){
		"int8":              naturally(Int[int8](), many(r, randomInteger[int8]), cmp.Compare[int8]),
		"int32":             naturally(Int[userID](), many(r, randomInteger[userID]), cmp.Compare[userID]),
		"int":               naturally(Int[int](), many(r, randomInteger[int]), cmp.Compare[int]),
		"uint64":            naturally(Int[uint64](), many(r, randomInteger[uint64]), cmp.Compare[uint64]),
		"float64":           naturally(Float[float64](), floats, cmp.Compare[float64]),
		"float32":           naturally(Float[float32](), floats32, cmp.Compare[float32]),
		"string":            naturally(String[string](), many(r, randomString), cmp.Compare[string]),
		"bytes":             naturally(Bytes(), many(r, randomBytes), bytes.Compare),
		"time":              naturally(Time(), recent, time.Time.Compare),
		"struct":            naturally(orderCodec(), many(r, randomOrder), compareOrder),
		"struct of structs": naturally(pairCodec(), many(r, randomPair), comparePair),
	} {
		t.Run(name, test)
	}
}

// compareOrder compares slices by their length first.
func compareOrder(a, b order) int {
	return cmp.Or(
		cmp.Compare(a.User, b.User),
		cmp.Compare(a.ID, b.ID),
		cmp.Compare(len(a.Counts), len(b.Counts)),
		slices.Compare(a.Counts, b.Counts),
		bytes.Compare(a.Note, b.Note))
}

func TestConstantSizeIsTrueOnlyIfEveryValueHasThatSize(t *testing.T) {
	size, ok := ConstantSize(Int[int32]())
	require.True(t, ok)
	require.Equal(t, int64(4), size)
	_, ok = ConstantSize(String[string]())
	require.False(t, ok, "sizes vary")
	failing := Func("failing", 1, func(dst []byte, v int) ([]byte, error) { return dst, ErrUnencodable },
		func(src []byte) (int, error) { return 0, nil })
	_, ok = ConstantSize(Struct("pair", 1, Field("a", func(p *[2]int) *int { return &p[0] }, failing)))
	require.False(t, ok, "a value may have no encoding")
}
