package job

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/internal/parse"
)

// position is the position of a partition in a checkpoint.
type position struct {
	number int
	// encoded is the result of PositionReader.Position, and nil if the partition was never
	// read.
	encoded []byte
	// ownFormat reports whether the source made the format of encoded. Otherwise encoded is
	// a count of elements.
	ownFormat bool
	// ended reports whether the partition has ended. That is final.
	ended bool
	// records is the number of elements read.
	records int64
	// newest is the highest event time read, or math.MinInt64. It is kept so that a restored
	// source sends the watermark that it had.
	newest int64
}

// Flags of an encoded position.
const (
	endedFlag = 1 << iota
	ownFormatFlag
	allFlags = endedFlag | ownFormatFlag
)

func encodePositions(all []position) []byte {
	data := []byte{positionsKind}
	for _, p := range all {
		flags := byte(0)
		if p.ended {
			flags |= endedFlag
		}
		if p.ownFormat {
			flags |= ownFormatFlag
		}
		data = append(binary.AppendUvarint(data, uint64(p.number)), flags)
		data = binary.AppendUvarint(data, uint64(p.records))
		data = binary.BigEndian.AppendUint64(data, uint64(p.newest)^signBit)
		data = append(binary.AppendUvarint(data, uint64(len(p.encoded))), p.encoded...)
	}
	return data
}

// decodePositions calls yield with each position in data. The positions refer to data.
func decodePositions(data []byte, yield func(position) error) error {
	if len(data) > 0 && data[0] == countsKind {
		return decodeCounts(data[1:], yield)
	}
	data, err := cutKind(positionsKind, data)
	if err != nil {
		return err
	}
	parser := parse.Parser{Rest: data, Corrupt: checkpoint.ErrCorrupt}
	for len(parser.Rest) > 0 {
		p := position{number: int(parser.Uvarint(math.MaxInt32))}
		flags := parser.Byte()
		if flags&^allFlags != 0 {
			parser.Fail("unknown flags of a position")
		}
		p.ended, p.ownFormat = flags&endedFlag != 0, flags&ownFormatFlag != 0
		p.records = int64(parser.Uvarint(math.MaxInt64))
		p.newest = int64(parser.Uint64() ^ signBit)
		p.encoded = parser.Bytes(MaxPositionBytes)
		if parser.Err != nil {
			return fmt.Errorf("positions: %w", parser.Err)
		}
		if err := yield(p); err != nil {
			return err
		}
	}
	return nil
}

// decodeCounts calls yield with each position in data of countsKind, without its first byte.
// A position is the number of the partition and the element count as uvarints, and the
// highest event time as a varint.
func decodeCounts(data []byte, yield func(position) error) error {
	for len(data) > 0 {
		number, n := binary.Uvarint(data)
		count, m := binary.Uvarint(data[max(n, 0):])
		newest, k := binary.Varint(data[max(n, 0)+max(m, 0):])
		if n <= 0 || m <= 0 || k <= 0 || number > math.MaxInt32 || count > math.MaxInt64 {
			return fmt.Errorf("positions: %w", checkpoint.ErrCorrupt)
		}
		p := position{number: int(number), encoded: encodeCount(int64(count)), records: int64(count), newest: newest}
		if err := yield(p); err != nil {
			return err
		}
		data = data[n+m+k:]
	}
	return nil
}
