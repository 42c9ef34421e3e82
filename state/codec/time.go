package codec

import (
	"cmp"
	"encoding/binary"
	"time"
)

// timeSize is the size of an encoded time in bytes: seconds and nanoseconds.
const timeSize = 8 + 4

// Time returns the codec of instants. The encoding has 12 bytes: seconds since the Unix epoch, as Int
// encodes them, then the nanoseconds within the second, big-endian. Time zone and monotonic clock
// are not encoded: times of the same instant are the same value, decoded in UTC.
//
// Each time.Time has an encoding. Encodings are ordered as time.Time.Compare orders the times,
// except for the first 1969 of the 584 billion years that a time.Time can hold, whose Unix seconds
// overflow.
func Time() Codec[time.Time] { return timeCodec{} }

type timeCodec struct{}

func (timeCodec) ID() ID                        { return ID{Name: "time", Version: 1} }
func (timeCodec) FixedSize() int                { return timeSize }
func (timeCodec) Size(time.Time) (int64, error) { return timeSize, nil }
func (timeCodec) traits() traits                { return traits{total: true, roundTrips: true} }

func (timeCodec) normalize(v time.Time) time.Time { return v.Round(0).UTC() }

func (timeCodec) Append(dst []byte, v time.Time) ([]byte, error) {
	dst = binary.BigEndian.AppendUint64(dst, uint64(v.Unix())^1<<63)
	return binary.BigEndian.AppendUint32(dst, uint32(v.Nanosecond())), nil
}

func (timeCodec) Decode(src []byte) (time.Time, error) {
	if len(src) != timeSize {
		return time.Time{}, malformed("time", "%d bytes, want %d", len(src), timeSize)
	}
	seconds := int64(binary.BigEndian.Uint64(src) ^ 1<<63)
	nanos := binary.BigEndian.Uint32(src[8:])
	if nanos >= 1e9 {
		return time.Time{}, malformed("time", "%d nanoseconds, want less than 1e9", nanos)
	}
	return time.Unix(seconds, int64(nanos)).UTC(), nil
}

func (timeCodec) Compare(a, b time.Time) int {
	return cmp.Or(cmp.Compare(a.Unix(), b.Unix()), cmp.Compare(a.Nanosecond(), b.Nanosecond()))
}
