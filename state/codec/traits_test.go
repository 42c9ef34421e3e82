package codec

import (
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// alien is a codec of a program's own that happens to work like Int.
type alien struct{ Codec[int] }

func alienCodec() Codec[int] { return alien{Int[int]()} }

// padded has padding after each of its small fields and parts.
type padded struct {
	A bool
	B int64
	C [2]part
	D time.Time
}

type part struct {
	A uint32
	B bool
}

func partsCodec(omitted int) Codec[[2]part] {
	fields := []FieldOf[[2]part]{
		Field("a0", func(v *[2]part) *uint32 { return &v[0].A }, Int[uint32]()),
		Field("b0", func(v *[2]part) *bool { return &v[0].B }, Bool[bool]()),
		Field("a1", func(v *[2]part) *uint32 { return &v[1].A }, Int[uint32]()),
		Field("b1", func(v *[2]part) *bool { return &v[1].B }, Bool[bool]()),
	}
	return Struct("parts", 1, fields[:len(fields)-omitted]...)
}

// paddedCodec returns the codec of a padded without its last fields.
func paddedCodec(b Codec[int64], parts Codec[[2]part], omitted int) Codec[padded] {
	fields := []FieldOf[padded]{
		Field("a", func(v *padded) *bool { return &v.A }, Bool[bool]()),
		Field("b", func(v *padded) *int64 { return &v.B }, b),
		Field("c", func(v *padded) *[2]part { return &v.C }, parts),
		Field("d", func(v *padded) *time.Time { return &v.D }, Time()),
	}
	return Struct("padded", 1, fields[:len(fields)-omitted]...)
}

func TestRoundTripsIsTrueIfTheCodecsOfAllPartsAreKnown(t *testing.T) {
	for name, got := range map[string]bool{
		"bool":                RoundTrips(Bool[flag]()),
		"int":                 RoundTrips(Int[userID]()),
		"float":               RoundTrips(Float[float32]()),
		"string":              RoundTrips(String[label]()),
		"bytes":               RoundTrips(Bytes()),
		"time":                RoundTrips(Time()),
		"slice":               RoundTrips(Slice(Bytes())),
		"map":                 RoundTrips(Map(String[string](), Time())),
		"pointer":             RoundTrips(Pointer(Float[float64]())),
		"struct":              RoundTrips(paddedCodec(Int[int64](), partsCodec(0), 0)),
		"struct of no fields": RoundTrips(Struct[empty]("empty", 1)),
		"nested":              RoundTrips(Map(pointCodec(), Slice(Pointer(orderCodec())))),
	} {
		require.True(t, got, name)
	}
}

func TestRoundTripsIsFalseIfTheCodecOfAPartIsUnknown(t *testing.T) {
	number := Func("number", 1, func(dst []byte, v int64) ([]byte, error) { return append(dst, byte(v)), nil },
		func(src []byte) (int64, error) { return int64(src[0]), nil })
	for name, got := range map[string]bool{
		"json":     RoundTrips(JSON[int]("json", 1)),
		"binary":   RoundTrips(Binary[netip.Addr]("addr", 1)),
		"function": RoundTrips(number),
		"alien":    RoundTrips(alienCodec()),
		"invalid":  RoundTrips(Func[int]("", 1, nil, nil)),
		"nil":      RoundTrips[int](nil),

		"slice":               RoundTrips(Slice(alienCodec())),
		"map key":             RoundTrips(Map(alienCodec(), Int[int]())),
		"map value":           RoundTrips(Map(Int[int](), alienCodec())),
		"pointer":             RoundTrips(Pointer(alienCodec())),
		"struct":              RoundTrips(paddedCodec(number, partsCodec(0), 0)),
		"nested":              RoundTrips(Slice(Map(Int[int](), Pointer(paddedCodec(number, partsCodec(0), 0))))),
		"field not covered":   RoundTrips(paddedCodec(Int[int64](), partsCodec(0), 1)),
		"part not covered":    RoundTrips(paddedCodec(Int[int64](), partsCodec(1), 0)),
		"no field is covered": RoundTrips(Struct[int]("none", 1)),
	} {
		require.False(t, got, name)
	}
}

// normal checks that Normalizer returns the decoded values of a codec that round-trips.
func (s subject[T]) normal(t *testing.T) {
	if !RoundTrips(s.codec) {
		return // only Decode knows its values
	}
	for _, v := range s.values {
		decoded, err := s.codec.Decode(s.encode(t, v))
		require.NoError(t, err)
		got := apply(Normalizer(s.codec), v)
		if reflect.DeepEqual(decoded, decoded) { // there is no NaN in it
			require.Equal(t, decoded, got)
		} else {
			require.Zero(t, s.codec.Compare(decoded, got))
		}
	}
}

func TestNormalizerReturnsTheDecodedValueIfTheCodecRoundTrips(t *testing.T) {
	for name, s := range subjects(seeded(t)) {
		t.Run(name, s.normal)
	}
}
