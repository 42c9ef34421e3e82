package job

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/internal/parse"
)

// The data of a subtask in a checkpoint begins with one byte for its kind; see
// docs/format-checkpoint.md. Programs from before watermarkKind wrote no data for keyed
// operators.
const (
	countsKind    = 1 // source positions that are element counts; read, never written
	sinkKind      = 2 // the data that Sink.Snapshot returned
	positionsKind = 3 // source positions
	watermarkKind = 4 // the watermark of a keyed operator
)

// signBit is flipped in encoded numbers so that they sort as bytes like the numbers.
const signBit = 1 << 63

// cutKind returns data without its first byte. It returns ErrKind if that byte is not kind.
func cutKind(kind byte, data []byte) ([]byte, error) {
	if len(data) == 0 {
		return nil, fmt.Errorf("data of a subtask is empty: want kind %d: %w", kind, checkpoint.ErrCorrupt)
	}
	if data[0] != kind {
		return nil, fmt.Errorf("data of a subtask has kind %d: want %d: %w", data[0], kind, ErrKind)
	}
	return data[1:], nil
}

func encodeWatermark(watermark int64) []byte {
	return binary.BigEndian.AppendUint64([]byte{watermarkKind}, uint64(watermark)^signBit)
}

// decodeWatermark returns the watermark in the data of a keyed operator's subtask, and
// math.MinInt64 for empty data.
func decodeWatermark(data []byte) (int64, error) {
	if len(data) == 0 {
		return math.MinInt64, nil
	}
	data, err := cutKind(watermarkKind, data)
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
