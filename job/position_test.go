package job

import (
	"bytes"
	"encoding/binary"
	"math"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/checkpoint"
)

var somePositions = []position{
	{number: 0, encoded: encodeCount(0), newest: math.MinInt64},
	{number: 3, encoded: encodeCount(1), records: 1, newest: -5, ended: true},
	{number: 4, encoded: []byte{}, ownFormat: true, records: 7, newest: 1},
	{number: 1 << 20, encoded: bytes.Repeat([]byte("at"), MaxPositionBytes/2), ownFormat: true, ended: true, records: math.MaxInt64, newest: math.MaxInt64},
}

// decodedPositions returns the positions in data.
func decodedPositions(t testing.TB, data []byte) (all []position) {
	t.Helper()
	require.NoError(t, decodePositions(data, func(p position) error {
		all = append(all, p)
		return nil
	}))
	return all
}

func TestPositionsSurviveEncoding(t *testing.T) {
	for n := range len(somePositions) + 1 {
		back := decodedPositions(t, encodePositions(somePositions[:n]))
		require.Equal(t, somePositions[:n], append([]position{}, back...))
	}
}

// encodedCounts returns positions in the format of countsKind, which the job no longer writes.
func encodedCounts(all ...position) []byte {
	data := []byte{1}
	for _, p := range all {
		data = binary.AppendUvarint(data, uint64(p.number))
		data = binary.AppendUvarint(data, uint64(p.records))
		data = binary.AppendVarint(data, p.newest)
	}
	return data
}

func TestPositionsOfTheOldFormatAreRead(t *testing.T) {
	// Written by hand: partition 0 at element 0 without a time, 3 at element 300 with time -5.
	data := []byte{1, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 3, 0xac, 0x02, 9}
	want := []position{
		{number: 0, encoded: []byte{0}, newest: math.MinInt64},
		{number: 3, encoded: []byte{0xac, 0x02}, records: 300, newest: -5},
	}
	require.Equal(t, data, encodedCounts(want...))
	require.Equal(t, want, decodedPositions(t, data))
}

func TestDamagedPositionsAreCorrupt(t *testing.T) {
	nothing := func(position) error { return nil }
	endless := bytes.Repeat([]byte{0xff}, 9)
	for name, encode := range map[string]func([]position) []byte{
		"positions": encodePositions,
		"counts":    func(all []position) []byte { return encodedCounts(all...) },
	} {
		some := slices.Clone(somePositions)
		some[3].encoded = []byte("at")
		whole := map[int]bool{}
		for n := range some {
			whole[len(encode(some[:n]))] = true
		}
		good := encode(some)
		for n := range good {
			if err := decodePositions(good[:n], nothing); whole[n] {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, checkpoint.ErrCorrupt, "%s: %d bytes", name, n)
			}
		}
	}
	newest := make([]byte, 8)
	for name, data := range map[string][]byte{
		"nothing":            nil,
		"endless count":      slices.Concat([]byte{1}, endless, []byte{1, 0, 0}),
		"partition 2^40":     {1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01, 0, 0},
		"count below 0":      slices.Concat([]byte{1, 0}, endless, []byte{1, 0}),
		"count and break":    {1, 0x80},
		"partition 2^31":     slices.Concat([]byte{3, 0x80, 0x80, 0x80, 0x80, 0x08, 0, 0}, newest, []byte{0}),
		"a third flag":       slices.Concat([]byte{3, 0, 4, 0}, newest, []byte{0}),
		"records below 0":    slices.Concat([]byte{3, 0, 0}, endless, []byte{1}, newest, []byte{0}),
		"a long number":      slices.Concat([]byte{3, 0x80, 0, 0, 0}, newest, []byte{0}),
		"position of 2^60":   slices.Concat([]byte{3, 0, 2, 0}, newest, []byte{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10}),
		"position too large": slices.Concat([]byte{3, 0, 2, 0}, newest, binary.AppendUvarint(nil, MaxPositionBytes+1), make([]byte, MaxPositionBytes+1)),
	} {
		require.ErrorIs(t, decodePositions(data, nothing), checkpoint.ErrCorrupt, name)
	}
	require.ErrorIs(t, decodePositions([]byte{sinkKind, 0, 0, 0}, nothing), ErrKind)
}

// If two subtasks read the same partition, its elements would count twice.
func TestPartitionInTwoPartsMarksTheCheckpointDamaged(t *testing.T) {
	part := checkpoint.Part{Data: encodePositions([]position{{number: 1, records: 10}})}
	r := restoredCheckpoint{checkpoint: &checkpoint.Checkpoint{
		Operators: []checkpoint.Operator{{Name: "source", Parts: []checkpoint.Part{part, part}}},
	}}
	_, err := r.positions("source", 3)
	require.ErrorIs(t, err, checkpoint.ErrCorrupt)
	require.True(t, isDamaged(err))
}

// Each subtask decodes the positions of all subtasks, so decoding must not copy them.
func TestDecodingPositionsCopiesNothing(t *testing.T) {
	const partitions = 100
	var all []position
	for i := range partitions {
		all = append(all, position{number: i, encoded: make([]byte, MaxPositionBytes), ownFormat: true})
	}
	r := restoredCheckpoint{checkpoint: &checkpoint.Checkpoint{Operators: []checkpoint.Operator{
		{Name: "source", Parts: []checkpoint.Part{{Data: encodePositions(all)}}},
	}}}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	back, err := r.positions("source", partitions)
	runtime.ReadMemStats(&after)
	require.NoError(t, err)
	require.Equal(t, all, back)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(10*MaxPositionBytes))
}

func TestMalformedCountMarksTheCheckpointDamaged(t *testing.T) {
	for _, at := range [][]byte{{}, {0x80}, {1, 1}, bytes.Repeat([]byte{0xff}, 10)} {
		_, err := countedSource[int64]{numbers(10, 1)}.Open(t.Context(), 0, at)
		require.ErrorIs(t, err, checkpoint.ErrCorrupt)
		require.True(t, isDamaged(err))
	}
}

func TestWatermarkSurvivesEncoding(t *testing.T) {
	for _, w := range []int64{math.MinInt64, -1, 0, 1, math.MaxInt64} {
		back, err := decodeWatermark(encodeWatermark(w))
		require.NoError(t, err)
		require.Equal(t, w, back)
	}
	w, err := decodeWatermark(nil)
	require.NoError(t, err)
	require.Equal(t, int64(math.MinInt64), w, "data of a program without watermarkKind")
	for _, data := range [][]byte{{watermarkKind}, {watermarkKind, 0, 0, 0, 0, 0, 0, 0}, append(encodeWatermark(1), 0)} {
		_, err := decodeWatermark(data)
		require.ErrorIs(t, err, checkpoint.ErrCorrupt)
	}
	_, err = decodeWatermark([]byte{sinkKind})
	require.ErrorIs(t, err, ErrKind)
}

// All new subtasks get the lowest watermark of all old ones, whichever key groups they own.
// Empty data counts as math.MinInt64.
func TestLowestWatermarkOfAllSubtasksIsRestored(t *testing.T) {
	for _, c := range []struct {
		parts [][]byte
		want  int64
	}{
		{nil, math.MinInt64},
		{[][]byte{encodeWatermark(7), encodeWatermark(5), encodeWatermark(9)}, 5},
		{[][]byte{encodeWatermark(math.MaxInt64)}, math.MaxInt64},
		{[][]byte{encodeWatermark(7), nil}, math.MinInt64},
	} {
		r := restoredCheckpoint{}
		if c.parts != nil {
			o := checkpoint.Operator{Name: "op"}
			for _, data := range c.parts {
				o.Parts = append(o.Parts, checkpoint.Part{Data: data})
			}
			r.checkpoint = &checkpoint.Checkpoint{Operators: []checkpoint.Operator{o}}
		}
		w, err := r.watermark("op")
		require.NoError(t, err)
		require.Equal(t, c.want, w)
	}
}

// FuzzPositions requires that data which decodes is encoded to the same bytes.
func FuzzPositions(f *testing.F) {
	for n := range len(somePositions) {
		f.Add(encodePositions(somePositions[:n]))
		f.Add(encodedCounts(somePositions[:n]...))
	}
	f.Add([]byte{positionsKind, 0, 3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, data []byte) {
		var all []position
		err := decodePositions(data, func(p position) error {
			if p.number < 0 || p.records < 0 || len(p.encoded) > MaxPositionBytes {
				t.Fatalf("%+v", p)
			}
			all = append(all, p)
			return nil
		})
		if err == nil && data[0] == positionsKind && !bytes.Equal(encodePositions(all), data) {
			t.Fatal("the decoded positions are encoded to other bytes")
		}
	})
}
