package job

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/weirstate/weir/checkpoint"
)

// position is how far a partition was read.
type position struct {
	number int
	// offset is the number of elements read.
	offset int64
	// newest is the highest event time of them, math.MinInt64 of none. It is
	// kept so that the watermark goes on where it was.
	newest int64
}

// The data that a subtask leaves in a checkpoint begins with a byte that says of
// what it is.
const (
	// positionsData: number and offset as uvarints and the newest time as a
	// varint, for each partition.
	positionsData = 1
	// sinkData: what Sink.Snapshot returned.
	sinkData = 2
)

func encodePositions(all []position) []byte {
	data := []byte{positionsData}
	for _, p := range all {
		data = binary.AppendUvarint(data, uint64(p.number))
		data = binary.AppendUvarint(data, uint64(p.offset))
		data = binary.AppendVarint(data, p.newest)
	}
	return data
}

// decodePositions hands each position of the data on.
func decodePositions(data []byte, yield func(position) error) error {
	data, err := dataOf(positionsData, data)
	if err != nil {
		return err
	}
	for len(data) > 0 {
		number, n := binary.Uvarint(data)
		offset, m := binary.Uvarint(data[max(n, 0):])
		newest, k := binary.Varint(data[max(n, 0)+max(m, 0):])
		if n <= 0 || m <= 0 || k <= 0 || number > math.MaxInt32 || offset > math.MaxInt64 {
			return fmt.Errorf("positions: %w", checkpoint.ErrCorrupt)
		}
		if err := yield(position{int(number), int64(offset), newest}); err != nil {
			return err
		}
		data = data[n+m+k:]
	}
	return nil
}

// dataOf takes off the first byte, or returns ErrKind if it is another one.
func dataOf(what byte, data []byte) ([]byte, error) {
	if len(data) == 0 {
		return nil, fmt.Errorf("no data: %w", checkpoint.ErrCorrupt)
	}
	if data[0] != what {
		return nil, fmt.Errorf("data of kind %d in place of %d: %w", data[0], what, ErrKind)
	}
	return data[1:], nil
}
