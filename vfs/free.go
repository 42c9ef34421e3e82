package vfs

import (
	"math"
	"math/bits"
)

// saturate returns the size of blocks in bytes, at most the largest int64. Some systems report a
// negative number of free blocks once only root may write; saturate returns 0 for that.
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
