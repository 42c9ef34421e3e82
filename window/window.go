package window

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/weirstate/weir/state"
	"github.com/weirstate/weir/state/codec"
)

// Window is a range of times, in the unit of the stream's event times. A window that would
// begin before math.MinInt64 or end after math.MaxInt64 is cut there.
type Window struct {
	Start int64 // first time in the window
	End   int64 // first time after the window
}

// last returns the last time in the window. The window is complete when the watermark
// reaches it.
func (w Window) last() int64 { return w.End - 1 }

const (
	// namespaceSize is the size of a window's namespace in bytes.
	namespaceSize = 16
	// signBit is flipped in encoded numbers so that they sort as bytes like the numbers.
	signBit = 1 << 63
)

// appendNamespace appends the namespace of the window to dst: Start and End in 8 bytes each,
// big-endian with the sign bit flipped, so that namespaces sort like windows. Snapshots
// contain it, so it must never change.
func (w Window) appendNamespace(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(w.Start)^signBit)
	return binary.BigEndian.AppendUint64(dst, uint64(w.End)^signBit)
}

// windowOf returns the window of a namespace. It returns state.ErrCorrupt for other bytes.
func windowOf(namespace []byte) (w Window, err error) {
	if len(namespace) == namespaceSize {
		w.Start = int64(binary.BigEndian.Uint64(namespace) ^ signBit)
		w.End = int64(binary.BigEndian.Uint64(namespace[8:]) ^ signBit)
	}
	if w.Start >= w.End {
		return w, fmt.Errorf("timer has a namespace of %d bytes that is not a window: want %d bytes, start below end: %w",
			len(namespace), namespaceSize, state.ErrCorrupt)
	}
	return w, nil
}

// windowCodec encodes a window to the same bytes as appendNamespace.
var windowCodec = codec.Struct("window", 1,
	codec.Field("start", func(w *Window) *int64 { return &w.Start }, codec.Int[int64]()),
	codec.Field("end", func(w *Window) *int64 { return &w.End }, codec.Int[int64]()),
)

// addClamped returns t + d for d of 0 or more, at most math.MaxInt64.
func addClamped(t, d int64) int64 {
	if t > math.MaxInt64-d {
		return math.MaxInt64
	}
	return t + d
}

// subClamped returns t - d for d of 0 or more, at least math.MinInt64.
func subClamped(t, d int64) int64 {
	if t < math.MinInt64+d {
		return math.MinInt64
	}
	return t - d
}
