package codec

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

type visit struct {
	At   time.Time
	Tags []string
	Next *visit
}

func visitCodec() Codec[visit] {
	inner := Struct("inner", 1,
		Field("at", func(v *visit) *time.Time { return &v.At }, Time()),
		Field("tags", func(v *visit) *[]string { return &v.Tags }, Slice(String[string]())))
	return Struct("visit", 1,
		Field("at", func(v *visit) *time.Time { return &v.At }, Time()),
		Field("tags", func(v *visit) *[]string { return &v.Tags }, Slice(String[string]())),
		Field("next", func(v *visit) **visit { return &v.Next }, Pointer(inner)))
}

// requireNormal checks that normalizing a value equals encoding and decoding it, and does not modify
// the argument.
func requireNormal[T any](t *testing.T, c Codec[T], v T) T {
	t.Helper()
	encoded, err := c.Append(nil, v)
	require.NoError(t, err)
	decoded, err := c.Decode(encoded)
	require.NoError(t, err)
	normal := Normalizer(c)
	require.NotNil(t, normal)
	got := normal(v)
	require.Equal(t, decoded, got)
	return got
}

func TestNormalizerReturnsTheValueThatDecodeReturns(t *testing.T) {
	zone := time.Date(2001, 1, 1, 0, 1, 0, 5, time.FixedZone("here", 3600))
	requireNormal(t, Bytes(), []byte{})
	requireNormal(t, Time(), zone)
	requireNormal(t, Time(), time.Now())
	requireNormal(t, Slice(Bytes()), [][]byte{{}, nil, {1}})
	requireNormal(t, Map(String[string](), Slice(Int[int]())), map[string][]int{"a": {}, "b": {1}})
	requireNormal(t, Map(Time(), Int[int]()), map[time.Time]int{zone: 1})
	requireNormal(t, Map(String[string](), Int[int]()), map[string]int{})
	v := visit{At: zone, Tags: []string{}, Next: &visit{At: zone, Tags: []string{}}}
	got := requireNormal(t, visitCodec(), v)
	require.NotSame(t, v.Next, got.Next)
	require.NotNil(t, v.Next.Tags, "the argument is not modified")
}

func TestNormalizerClipsSpareCapacity(t *testing.T) {
	long := make([]byte, 3, 10)
	require.Equal(t, 3, cap(Normalizer(Bytes())(long)))
	require.Equal(t, 3, cap(Normalizer(Slice(Int[byte]()))(long)))
}

func TestNormalizerIsNilIfDecodeReturnsValuesUnchanged(t *testing.T) {
	require.Nil(t, Normalizer(Int[int]()))
	require.Nil(t, Normalizer(String[string]()))
	require.Nil(t, Normalizer(Pointer(Int[int]())))
	require.Nil(t, Normalizer(Struct("pair", 1, Field("a", func(v *[2]int) *int { return &v[0] }, Int[int]()))))
	require.Nil(t, Normalizer(JSON[[]int]("json", 1)))
}
