package job

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/internal/parse"
)

// The data that a subtask leaves in a checkpoint begins with a byte that says what it
// is: see docs/format-checkpoint.md. What a keyed operator left before watermarkData is
// empty.
const (
	countsData    = 1 // positions that count elements; read only
	sinkData      = 2 // what Sink.Snapshot returned
	positionsData = 3
	watermarkData = 4
)

// signBit, flipped, orders the bytes of numbers as the numbers.
const signBit = 1 << 63

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

func encodeWatermark(watermark int64) []byte {
	return binary.BigEndian.AppendUint64([]byte{watermarkData}, uint64(watermark)^signBit)
}

// decodeWatermark returns the watermark of a subtask, math.MinInt64 if it left none.
func decodeWatermark(data []byte) (int64, error) {
	if len(data) == 0 {
		return math.MinInt64, nil
	}
	data, err := dataOf(watermarkData, data)
	if err != nil {
		return 0, err
	}
	p := parse.Parser{Rest: data, Corrupt: checkpoint.ErrCorrupt}
	watermark := int64(p.Uint64() ^ signBit)
	if err := p.End(); err != nil {
		return 0, fmt.Errorf("watermark: %w", err)
	}
	return watermark, nil
}
