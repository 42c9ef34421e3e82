package backend

import (
	"encoding/binary"
	"fmt"

	"github.com/weirstate/weir/state/codec"
)

// The composite key is how a row is named wherever rows are bytes: in the seam
// to disk backends and in portable snapshots. docs/format-key.md draws it.
//
//	group (2 B) | state id (4 B) | key | namespace | suffix
//
// Integers are big-endian. A key whose codec has a fixed size is written as it
// is; any other key, and every namespace, is escaped and terminated, so that no
// key is a prefix of another and the order of rows is the order of encodings.
// The suffix runs to the end: the encoded user key of a map entry, the position
// of a chunk of a list, nothing for the other kinds.
//
// A timer's row has its time before its key, so that rows of a group are
// ordered as they fire:
//
//	group | state id | domain (1 B) | timestamp (8 B, sign bit flipped) | key | namespace

// HeaderSize is the size in bytes of group and state id.
const HeaderSize = 6

// TimeSize is the size in bytes of a timer's domain and timestamp.
const TimeSize = 9

// AppendHeader adds the first HeaderSize bytes of a composite key to dst.
func AppendHeader(dst []byte, group uint16, id ID) []byte {
	dst = binary.BigEndian.AppendUint16(dst, group)
	return binary.BigEndian.AppendUint32(dst, uint32(id))
}

// SplitHeader takes group and state id off a composite key.
func SplitHeader(key []byte) (group uint16, id ID, rest []byte, err error) {
	if len(key) < HeaderSize {
		return 0, 0, nil, fmt.Errorf("composite key of %d bytes: %w", len(key), ErrCorrupt)
	}
	return binary.BigEndian.Uint16(key), ID(binary.BigEndian.Uint32(key[2:])), key[HeaderSize:], nil
}

// AppendKey adds an encoded key in the form it has inside a composite key.
// KeySize is the codec's FixedSize, as in Registry.KeySize. The namespace goes after
// it by codec.AppendEscaped.
func AppendKey(dst, encoded []byte, keySize int) []byte {
	if keySize >= 0 {
		return append(dst, encoded...)
	}
	return codec.AppendEscaped(dst, encoded)
}

// splitKey takes a key off the part of a composite key that starts with it.
// The result may share memory with src.
func splitKey(src []byte, keySize int) (encoded, rest []byte, err error) {
	if keySize < 0 {
		return codec.SplitEscaped(nil, src)
	}
	if len(src) < keySize {
		return nil, nil, fmt.Errorf("key of %d bytes where %d are due: %w", len(src), keySize, ErrCorrupt)
	}
	return src[:keySize], src[keySize:], nil
}

// SplitPrefix takes key and namespace off what follows the header of a row that
// is not a timer's. The suffix is what is left. The results may share memory with src.
func SplitPrefix(src []byte, keySize int) (key, namespace, suffix []byte, err error) {
	if key, src, err = splitKey(src, keySize); err != nil {
		return nil, nil, nil, err
	}
	if namespace, suffix, err = codec.SplitEscaped(nil, src); err != nil {
		return nil, nil, nil, err
	}
	return key, namespace, suffix, nil
}

func appendTime(dst []byte, d Domain, timestamp int64) []byte {
	dst = append(dst, byte(d))
	return binary.BigEndian.AppendUint64(dst, uint64(timestamp)^1<<63)
}

func splitTime(src []byte) (d Domain, timestamp int64, rest []byte, err error) {
	if len(src) < TimeSize || Domain(src[0]) > ProcessingTime {
		return 0, 0, nil, fmt.Errorf("timer row of %d bytes: %w", len(src), ErrCorrupt)
	}
	return Domain(src[0]), int64(binary.BigEndian.Uint64(src[1:]) ^ 1<<63), src[TimeSize:], nil
}
