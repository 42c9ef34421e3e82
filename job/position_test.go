package job

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/checkpoint"
)

var somePositions = []position{
	{0, 0, math.MinInt64}, {3, 1, -5}, {1 << 20, math.MaxInt64, math.MaxInt64},
}

func TestPositionsComeBack(t *testing.T) {
	for n := range len(somePositions) + 1 {
		var back []position
		require.NoError(t, decodePositions(encodePositions(somePositions[:n]), func(p position) error {
			back = append(back, p)
			return nil
		}))
		require.Equal(t, somePositions[:n], append([]position{}, back...))
	}
}

func TestDamagedPositionsAreCorrupt(t *testing.T) {
	good := encodePositions(somePositions)
	nothing := func(position) error { return nil }
	whole := map[int]bool{}
	for n := range len(somePositions) {
		whole[len(encodePositions(somePositions[:n]))] = true
	}
	for n := range good {
		if err := decodePositions(good[:n], nothing); whole[n] {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, checkpoint.ErrCorrupt, "%d bytes", n)
		}
	}
	for name, data := range map[string][]byte{
		"nothing":          nil,
		"endless number":   {1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0, 0},
		"partition 2^40":   {1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01, 0, 0},
		"offset below 0":   {1, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0},
		"number and break": {1, 0x80},
	} {
		require.ErrorIs(t, decodePositions(data, nothing), checkpoint.ErrCorrupt, name)
	}
	require.ErrorIs(t, decodePositions([]byte{sinkData, 0, 0, 0}, nothing), ErrKind)
}

// Two subtasks that read the same partition would count its elements twice.
func TestPartitionInTwoPartsIsDamage(t *testing.T) {
	part := checkpoint.Part{Data: encodePositions([]position{{number: 1, offset: 10}})}
	r := restored{checkpoint: &checkpoint.Checkpoint{
		Operators: []checkpoint.Operator{{Name: "source", Parts: []checkpoint.Part{part, part}}},
	}}
	_, err := r.positions("source", 3)
	require.ErrorIs(t, err, checkpoint.ErrCorrupt)
	require.True(t, isDamage(err))
}
