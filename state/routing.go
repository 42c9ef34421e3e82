package state

import (
	"fmt"

	"github.com/cespare/xxhash/v2"

	"github.com/weirstate/weir/state/codec"
)

// KeyGroupOf returns the key group of a key, as Keyed.SetKey finds it: for a program that
// routes keys to subtasks. It is ErrInvalid without a codec, and for a maximum parallelism
// that no keyspace has.
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

// EncodedKeyGroup returns the key group of a key that its codec has encoded.
func EncodedKeyGroup(encoded []byte, maxParallelism int) uint16 {
	return KeyGroup(xxhash.Sum64(encoded), maxParallelism)
}

// SubtaskOf returns the subtask that owns a key group at a parallelism: the one whose
// SubtaskKeyspace has the group in its Groups. It is -1 if the arguments make no sense.
func SubtaskOf(group uint16, parallelism, maxParallelism int) int {
	if parallelism < 1 || parallelism > maxParallelism || maxParallelism > MaxKeyGroups || int(group) >= maxParallelism {
		return -1
	}
	return int(group) * parallelism / maxParallelism
}

// errKeyGroupOf is the error for arguments of KeyGroupOf that make no sense.
func errKeyGroupOf(hasCodec bool, maxParallelism int) error {
	if !hasCodec {
		return fmt.Errorf("key: no codec: %w", ErrInvalid)
	}
	return fmt.Errorf("max parallelism %d is not in 1 to %d: %w", maxParallelism, MaxKeyGroups, ErrInvalid)
}

// errKeySize is the error for an encoded key that has not the size that its codec promises.
func errKeySize(size, promised int) error {
	return fmt.Errorf("key: %d bytes, its codec says %d: %w", size, promised, codec.ErrInvalidCodec)
}
