package codec

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// costs checks the number of allocations of each method. Under the race detector, sync.Pool drops
// elements at random, so methods that use scratch memory are measured only without it.
func costs[T any](c Codec[T], v T, decode float64) func(*testing.T) {
	return func(t *testing.T) {
		raw, err := c.Append(nil, v)
		require.NoError(t, err)
		dst := make([]byte, 0, 1024)
		require.Zero(t, testing.AllocsPerRun(100, func() { dst, _ = c.Append(dst[:0], v) }), "Append")
		require.Zero(t, testing.AllocsPerRun(100, func() { sink += c.Compare(v, v) }), "Compare")
		require.Zero(t, testing.AllocsPerRun(100, func() { n, _ := c.Size(v); sink += int(n) }), "Size")
		if decode == anyNumber {
			return
		}
		require.Equal(t, decode, testing.AllocsPerRun(100, func() { _, _ = c.Decode(raw) }), "Decode")
	}
}

// anyNumber is for Go maps, whose allocations depend on the runtime.
const anyNumber = -1

var sink int

func TestAllocations(t *testing.T) {
	tests := map[string]func(*testing.T){
		"int64":   costs(Int[int64](), 1<<40, 0),
		"int8":    costs(Int[int8](), -100, 0),
		"float64": costs(Float[float64](), 1.5, 0),
		"bool":    costs(Bool[bool](), true, 0),
		"time":    costs(Time(), time.Unix(1e9, 5), 0),
		"string":  costs(String[string](), "a string that is too long for a small buffer", 1),
		"bytes":   costs(Bytes(), []byte("bytes that are too many for a small buffer"), 1),
		"slice":   costs(Slice(Int[int32]()), make([]int32, 100), 1),
		"pointer": costs(Pointer(Int[int64]()), ptr(int64(1000)), 1),
	}
	if !raceEnabled {
		tests["struct fixed"] = costs(pointCodec(), point{X: 1}, 0)
		tests["struct"] = costs(orderCodec(), order{User: "a\x00user of thirty-three characters", ID: 7, Counts: make([]int16, 5)}, 2)
		tests["map"] = costs(Map(String[string](), Int[int64]()), map[string]int64{"a": 1, "b": 2, "c": 3}, anyNumber)
	}
	for name, test := range tests {
		t.Run(name, test)
	}
}
