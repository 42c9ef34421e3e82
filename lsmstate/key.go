package lsmstate

import (
	"encoding/binary"
	"fmt"

	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/state/backend"
)

// PartitionBytes is the size of a partition's number at the front of a key: the key group. Tables
// end at borders of partitions. It is the value of lsm.Options.PartitionBytes of a backend's tree.
const PartitionBytes = 2

// timerBit marks the partition with the timers of a key group, in the first byte of the key: the
// number of the partition is the key group with its top bit set, which no key group has.
const timerBit = 0x80

// sectionSize is the size of the common prefix of all keys in a section: partition, state id and
// section.
const sectionSize = backend.HeaderSize + 1

// section divides the rows of a timer service in a key group. It is the byte after the header,
// where a composite key has the domain. After it a key has the position of a timer: timestamp
// and row, as in the composite key.
//
//	3 · domain       one row, the mark: its value is a position
//	3 · domain + 1   late timers: those that were registered at or below the mark
//	3 · domain + 2   timers; those at or below the mark have fired
type section byte

const (
	markSection section = iota
	lateSection
	timerSection
	sectionsOfDomain
)

func (s section) of(d backend.Domain) section { return section(d)*sectionsOfDomain + s }

func (s section) domain() backend.Domain { return backend.Domain(s / sectionsOfDomain) }
func (s section) kind() section          { return s % sectionsOfDomain }

// domainsEnd is the first number that is not a domain.
const domainsEnd = backend.ProcessingTime + 1

// domainOf returns the domain of a row in a partition of timers, or a number from domainsEnd on if
// the row has no valid domain.
func domainOf(key []byte) backend.Domain {
	if len(key) < sectionSize {
		return domainsEnd
	}
	return section(key[backend.HeaderSize]).domain()
}

// appendSection appends the common prefix of all keys in a section.
func appendSection(dst []byte, group uint16, id backend.ID, s section) []byte {
	at := len(dst)
	dst = append(backend.AppendHeader(dst, group, id), byte(s))
	dst[at] |= timerBit
	return dst
}

// appendPosition appends a position: timestamp and row. The order of positions is the order in
// which timers fire.
func appendPosition[T string | []byte](dst []byte, timestamp int64, row T) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(timestamp)^1<<63)
	return append(dst, row...)
}

// splitPosition reads a position. Positions shorter than 8 bytes are invalid; for them it returns
// an empty row, and decoding the row returns an error.
func splitPosition[T string | []byte](position T) (timestamp int64, row T) {
	var at [8]byte
	n := copy(at[:], position)
	return int64(binary.BigEndian.Uint64(at[:]) ^ 1<<63), position[n:]
}

// splitOf returns the split function of a tree: the prefix of a key ends after the namespace, that
// of a timer's key after the section. The tree records the function's name.
func splitOf(keySize int) lsm.Split {
	s := lsm.Split{
		Name: splitName,
		Func: func(key []byte) int { return prefixSize(key, keySize) },
	}
	if keySize >= 0 {
		s.Name = fmt.Sprintf(splitName+" of %d bytes", keySize)
	}
	return s
}

// splitName is the beginning of the name of every split function of backends.
const splitName = "composite key"

// Split returns the split function that has the given name; lsm.SplitOf reads the name from a tree.
// With it and PartitionBytes, lsm.Check and other tools can open the tree of a backend, which is the
// subdirectory "tree" of the backend's directory. Split returns ErrNotStore for other names.
func Split(name string) (lsm.Split, error) {
	if name == splitName {
		return splitOf(-1), nil
	}
	var keySize int
	_, err := fmt.Sscanf(name, splitName+" of %d bytes", &keySize)
	if s := splitOf(keySize); err == nil && s.Name == name {
		return s, nil
	}
	return lsm.Split{}, fmt.Errorf("split function %.64q is not that of a backend: %w", name, ErrNotStore)
}

// prefixSize returns the size of a key's prefix, or of the whole key if it has no valid prefix.
// KeySize is the size of encoded keys, negative if they are escaped.
func prefixSize(key []byte, keySize int) int {
	if n, ok := prefixEnd(key, keySize); ok {
		return n
	}
	return len(key)
}

// prefixEnd returns the size of a key's prefix, and false if the key has no valid prefix.
func prefixEnd(key []byte, keySize int) (size int, ok bool) {
	if len(key) > 0 && key[0]&timerBit != 0 {
		return sectionSize, len(key) >= sectionSize
	}
	return backend.PrefixSize(key, keySize)
}
