package backend

import (
	"encoding/binary"
	"fmt"

	"github.com/weirstate/weir/state/codec"
)

// Composite keys
//
// A composite key names a row wherever rows are bytes: in byte backends and in portable
// snapshots. docs/format-key.md specifies it; this file is its only implementation.
//
// Problem: the rows of all states, keys, namespaces and key groups share one ordered key space.
// A backend must find all rows of a key group (snapshots, rescaling), of a state (Keys), of a key
// and namespace (lists, maps, Clear) by scanning a prefix, and the order of rows must be the
// order of the encoded keys.
//
// Idea: concatenate the parts, from the least to the most specific. Each part must say where it
// ends, so that no part can be mistaken for the beginning of another. Integers are big-endian.
//
//	┌─────────┬──────────┬──────────────────┬───────────┬──────────────────────────────────┐
//	│ group   │ state id │ key              │ namespace │ suffix                           │
//	│ 2 bytes │ 4 bytes  │ raw or escaped   │ escaped   │ to the end                       │
//	└─────────┴──────────┴──────────────────┴───────────┴──────────────────────────────────┘
//	   value, reducing, aggregating state     no suffix
//	   list                                   position of a chunk, chosen by the backend
//	   map                                    encoded user key
//
//	   timer    group │ state id │ domain (1 byte) │ timestamp (8 bytes) │ key │ namespace
//
// A key whose codec has a fixed size is written raw. Other keys, and namespaces, are escaped
// (codec.AppendEscaped): the escape keeps the order, and no escaped part is a prefix of another.
// The timestamp of a timer stands before the key and has its sign bit flipped, so the rows of a
// group are in the order in which timers fire.
//
// Invariant: the rows of one key and namespace are exactly the rows with their prefix: a scan of
// the prefix of "a" never sees a row of "ab".
// Invariant: within a group and a state, rows are ordered by key, then namespace, then suffix, as
// bytes.Compare orders the encodings.
//
// Cost: 6 bytes, the key, 2 bytes for an escaped key plus one for each 00 byte in it, and 2 bytes
// for the void namespace.
//
// Sources: key group, key and namespace are in the order of Flink's RocksDB backend; the escape
// is the one that CockroachDB uses for ordered byte strings.

// HeaderSize is the size in bytes of key group and state ID.
const HeaderSize = 6

// TimeSize is the size in bytes of the domain and the timestamp of a timer.
const TimeSize = 9

// AppendHeader appends key group and state ID, the first HeaderSize bytes of a composite key.
func AppendHeader(dst []byte, group uint16, id ID) []byte {
	dst = binary.BigEndian.AppendUint16(dst, group)
	return binary.BigEndian.AppendUint32(dst, uint32(id))
}

// SplitHeader returns key group, state ID and the rest of a composite key. It returns ErrCorrupt
// for a composite key shorter than HeaderSize.
func SplitHeader(key []byte) (group uint16, id ID, rest []byte, err error) {
	if len(key) < HeaderSize {
		return 0, 0, nil, fmt.Errorf("composite key of %d bytes, want at least %d: %w", len(key), HeaderSize, ErrCorrupt)
	}
	return binary.BigEndian.Uint16(key), ID(binary.BigEndian.Uint32(key[2:])), key[HeaderSize:], nil
}

// AppendKey appends an encoded key in the form it has inside a composite key. KeySize is the
// FixedSize of its codec, as in Registry.KeySize. codec.AppendEscaped appends the namespace.
func AppendKey(dst, encoded []byte, keySize int) []byte {
	if keySize >= 0 {
		return append(dst, encoded...)
	}
	return codec.AppendEscaped(dst, encoded)
}

// splitKey returns the encoded key at the front of src, and the rest. Both may share memory with
// src.
func splitKey(src []byte, keySize int) (encoded, rest []byte, err error) {
	if keySize < 0 {
		return codec.SplitEscaped(nil, src)
	}
	if len(src) < keySize {
		return nil, nil, fmt.Errorf("composite key has %d bytes of key, want %d: %w", len(src), keySize, ErrCorrupt)
	}
	return src[:keySize], src[keySize:], nil
}

// PrefixSize returns the size of the prefix of a composite key that is not a timer's: header, key
// and namespace. It returns false if the key has no complete prefix. KeySize is the size of
// encoded keys, negative if they are escaped. PrefixSize allocates nothing.
func PrefixSize(key []byte, keySize int) (size int, ok bool) {
	if len(key) < HeaderSize || keySize > len(key)-HeaderSize { // HeaderSize + keySize may overflow
		return 0, false
	}
	size = HeaderSize + max(keySize, 0)
	if keySize < 0 {
		n, ok := codec.SkipEscaped(key[size:])
		if !ok {
			return 0, false
		}
		size += n
	}
	n, ok := codec.SkipEscaped(key[size:])
	return size + n, ok
}

// SplitPrefix splits a composite key without its header into encoded key, namespace and suffix.
// The row must not be a timer's. The results may share memory with src.
func SplitPrefix(src []byte, keySize int) (key, namespace, suffix []byte, err error) {
	if key, src, err = splitKey(src, keySize); err != nil {
		return nil, nil, nil, err
	}
	if namespace, suffix, err = codec.SplitEscaped(nil, src); err != nil {
		return nil, nil, nil, err
	}
	return key, namespace, suffix, nil
}

// appendTime appends domain and timestamp of a timer.
func appendTime(dst []byte, d Domain, timestamp int64) []byte {
	dst = append(dst, byte(d))
	return binary.BigEndian.AppendUint64(dst, uint64(timestamp)^1<<63)
}

// splitTime returns domain and timestamp of a timer, and the rest of src.
func splitTime(src []byte) (d Domain, timestamp int64, rest []byte, err error) {
	if len(src) < TimeSize || Domain(src[0]) > ProcessingTime {
		return 0, 0, nil, fmt.Errorf("timer row of %d bytes, want a domain and a timestamp in %d: %w", len(src), TimeSize, ErrCorrupt)
	}
	return Domain(src[0]), int64(binary.BigEndian.Uint64(src[1:]) ^ 1<<63), src[TimeSize:], nil
}
