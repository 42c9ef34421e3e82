package window

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

// Window is the times from Start to before End, in the unit of the stream's
// event times. One that would begin before math.MinInt64 or end after
// math.MaxInt64 is cut there.
type Window struct{ Start, End int64 }

// last is the last time in the window: it is complete when the watermark is
// there.
func (w Window) last() int64 { return w.End - 1 }

const (
	// namespaceSize is the size of a window's namespace, in bytes.
	namespaceSize = 16
	// signBit, flipped, orders the bytes of numbers as the numbers.
	signBit = 1 << 63
)

// appendNamespace adds the namespace of the window to dst: Start and End, each
// in 8 bytes, ordered as the windows are. It is written into snapshots and never
// changes.
func (w Window) appendNamespace(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(w.Start)^signBit)
	return binary.BigEndian.AppendUint64(dst, uint64(w.End)^signBit)
}

// windowOf reads a namespace. Bytes that are none are state.ErrCorrupt.
func windowOf(namespace []byte) (w Window, err error) {
	if len(namespace) == namespaceSize {
		w.Start = int64(binary.BigEndian.Uint64(namespace) ^ signBit)
		w.End = int64(binary.BigEndian.Uint64(namespace[8:]) ^ signBit)
	}
	if w.Start >= w.End {
		return w, fmt.Errorf("a namespace of %d bytes is no window: %w", len(namespace), state.ErrCorrupt)
	}
	return w, nil
}

// windowCodec writes the same bytes as appendNamespace.
var windowCodec = codec.Struct("window", 1,
	codec.Field("start", func(w *Window) *int64 { return &w.Start }, codec.Int[int64]()),
	codec.Field("end", func(w *Window) *int64 { return &w.End }, codec.Int[int64]()),
)

// later is t + d and earlier t - d, for d from 0, cut where int64 ends.
func later(t, d int64) int64 {
	if t > math.MaxInt64-d {
		return math.MaxInt64
	}
	return t + d
}

func earlier(t, d int64) int64 {
	if t < math.MinInt64+d {
		return math.MinInt64
	}
	return t - d
}
