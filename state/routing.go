package state

import (
	"fmt"

	"github.com/cespare/xxhash/v2"

	"github.com/weirstate/weir/state/codec"
)

// KeyGroupOf returns the key group of a key: the same as Keyed.SetKey computes. A program that
// routes elements to subtasks needs it. KeyGroupOf returns ErrInvalid for a nil codec or a
// maximum parallelism that is not in 1 to MaxKeyGroups, or the codec's error.
func KeyGroupOf[K any](c codec.Codec[K], key K, maxParallelism int) (uint16, error) {
	if c == nil || maxParallelism < 1 || maxParallelism > MaxKeyGroups {
		return 0, errKeyGroupOf(c != nil, maxParallelism)
	}
	var buffer [64]byte
	encoded, err := c.Append(buffer[:0], key)
	if err != nil {
		return 0, fmt.Errorf("key: %w", err)
	}
	if size := c.FixedSize(); size >= 0 && len(encoded) != size {
		return 0, errKeySize(len(encoded), size)
	}
	return EncodedKeyGroup(encoded, maxParallelism), nil
}

// EncodedKeyGroup returns the key group of a key, given its encoding.
func EncodedKeyGroup(encoded []byte, maxParallelism int) uint16 {
	return KeyGroup(xxhash.Sum64(encoded), maxParallelism)
}

// SubtaskOf returns the number of the subtask that owns a key group at a parallelism: the subtask
// whose SubtaskKeyspace contains the group. It returns -1 if an argument is out of range.
func SubtaskOf(group uint16, parallelism, maxParallelism int) int {
	if parallelism < 1 || parallelism > maxParallelism || maxParallelism > MaxKeyGroups || int(group) >= maxParallelism {
		return -1
	}
	return int(group) * parallelism / maxParallelism
}

// errKeyGroupOf returns the error of KeyGroupOf for an argument out of range.
func errKeyGroupOf(hasCodec bool, maxParallelism int) error {
	if !hasCodec {
		return fmt.Errorf("key group of a key: the codec must not be nil: %w", ErrInvalid)
	}
	return fmt.Errorf("key group of a key: max parallelism is %d, want 1 to %d: %w", maxParallelism, MaxKeyGroups, ErrInvalid)
}

// errKeySize returns the error for an encoded key whose size is not the FixedSize of its codec.
func errKeySize(size, promised int) error {
	return fmt.Errorf("key: the encoding has %d bytes, FixedSize of its codec is %d: %w", size, promised, codec.ErrInvalidCodec)
}
