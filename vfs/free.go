package vfs

import (
	"math"
	"math/bits"
)

// saturate returns the size of the blocks, at most the highest int64. Some systems report a
// negative number of free blocks once only root may write; the result is then 0.
func saturate(blocks, blockBytes uint64) int64 {
	if int64(blocks) < 0 {
		return 0
	}
	high, low := bits.Mul64(blocks, blockBytes)
	if high > 0 || low > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(low)
}
