package job

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/internal/parse"
)

// position is how far a partition was read.
type position struct {
	number int
	// at is what a reader returned from Position, nil if the partition was never read.
	// Own says that the source made it, and not the count of elements.
	at  []byte
	own bool
	// ended says that the partition is at its end, for good.
	ended bool
	// records is the number of elements read.
	records int64
	// newest is the highest event time of them, math.MinInt64 of none. It is
	// kept so that the watermark goes on where it was.
	newest int64
}

// flags of a position.
const (
	endedFlag = 1 << iota
	ownFlag
	allFlags = endedFlag | ownFlag
)

func encodePositions(all []position) []byte {
	data := []byte{positionsData}
	for _, p := range all {
		flags := byte(0)
		if p.ended {
			flags |= endedFlag
		}
		if p.own {
			flags |= ownFlag
		}
		data = append(binary.AppendUvarint(data, uint64(p.number)), flags)
		data = binary.AppendUvarint(data, uint64(p.records))
		data = binary.BigEndian.AppendUint64(data, uint64(p.newest)^signBit)
		data = append(binary.AppendUvarint(data, uint64(len(p.at))), p.at...)
	}
	return data
}

// decodePositions hands each position of the data on; they are parts of it.
func decodePositions(data []byte, yield func(position) error) error {
	if len(data) > 0 && data[0] == countsData {
		return decodeCounts(data[1:], yield)
	}
	data, err := dataOf(positionsData, data)
	if err != nil {
		return err
	}
	parser := parse.Parser{Rest: data, Corrupt: checkpoint.ErrCorrupt}
	for len(parser.Rest) > 0 {
		p := position{number: int(parser.Uvarint(math.MaxInt32))}
		flags := parser.Byte()
		if flags&^allFlags != 0 {
			parser.Fail("flags of another version")
		}
		p.ended, p.own = flags&endedFlag != 0, flags&ownFlag != 0
		p.records = int64(parser.Uvarint(math.MaxInt64))
		p.newest = int64(parser.Uint64() ^ signBit)
		p.at = parser.Bytes(MaxPositionBytes)
		if parser.Err != nil {
			return fmt.Errorf("positions: %w", parser.Err)
		}
		if err := yield(p); err != nil {
			return err
		}
	}
	return nil
}

// decodeCounts is decodePositions of counts of elements: for each partition its
// number and the count as uvarints and the newest time as a varint.
func decodeCounts(data []byte, yield func(position) error) error {
	for len(data) > 0 {
		number, n := binary.Uvarint(data)
		count, m := binary.Uvarint(data[max(n, 0):])
		newest, k := binary.Varint(data[max(n, 0)+max(m, 0):])
		if n <= 0 || m <= 0 || k <= 0 || number > math.MaxInt32 || count > math.MaxInt64 {
			return fmt.Errorf("positions: %w", checkpoint.ErrCorrupt)
		}
		p := position{number: int(number), at: encodeCount(int64(count)), records: int64(count), newest: newest}
		if err := yield(p); err != nil {
			return err
		}
		data = data[n+m+k:]
	}
	return nil
}
