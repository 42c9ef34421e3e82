package codec

import (
	"cmp"
	"encoding/binary"
	"time"
)

const timeSize = 8 + 4

// Time encodes an instant in 12 bytes: seconds since the Unix epoch, as Int
// does, then the nanoseconds within the second, big-endian. Zone and monotonic
// clock are dropped: two times of one instant are one value, decoded in UTC.
// Every time.Time has an encoding. They are ordered by Unix seconds, as
// time.Time.Compare orders them, except for the first 1970 years of the 584
// billion that a time.Time can hold: their Unix seconds overflow.
func Time() Codec[time.Time] { return timeCodec{} }

type timeCodec struct{}

func (timeCodec) ID() ID                        { return ID{Name: "time", Version: 1} }
func (timeCodec) FixedSize() int                { return timeSize }
func (timeCodec) Size(time.Time) (int64, error) { return timeSize, nil }
func (timeCodec) traits() traits                { return traits{total: true} }

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
		return time.Time{}, malformed("time", "more nanoseconds than a second has")
	}
	return time.Unix(seconds, int64(nanos)).UTC(), nil
}

func (timeCodec) Compare(a, b time.Time) int {
	return cmp.Or(cmp.Compare(a.Unix(), b.Unix()), cmp.Compare(a.Nanosecond(), b.Nanosecond()))
}
