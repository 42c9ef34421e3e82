package lsmstate

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/state/backend"
)

// PartitionBytes is the size of the part of a key at whose borders tables end: the key
// group. It is lsm.Options.PartitionBytes for the tree of a backend.
const PartitionBytes = 2

// Timers of a key group are in a partition of their own. Its number is that of the
// group with the top bit set, which no key group has.
const timerBit = 0x80

// sectionSize is the size of what the timers of a section of a state have in common:
// group, state id and section.
const sectionSize = backend.HeaderSize + 1

// section is where in the timers of a state and a key group a row stands: the byte
// behind the header, where a composite key has the domain. What follows it is the
// position of a timer: its timestamp and row, as in the composite key.
//
//	3 · domain       one row: the mark, whose value is a position
//	3 · domain + 1   timers that were registered at or below the mark
//	3 · domain + 2   timers; those at or below the mark are gone
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

// domainsEnd is the first number that is of no domain.
const domainsEnd = backend.ProcessingTime + 1

// domainOf returns the domain of a row of timers, domainsEnd or more if it has none.
func domainOf(key []byte) backend.Domain {
	if len(key) < sectionSize {
		return domainsEnd
	}
	return section(key[backend.HeaderSize]).domain()
}

// appendSection adds what the keys of a section begin with.
func appendSection(dst []byte, group uint16, id backend.ID, s section) []byte {
	at := len(dst)
	dst = append(backend.AppendHeader(dst, group, id), byte(s))
	dst[at] |= timerBit
	return dst
}

// appendPosition adds a timestamp and a row: positions are ordered as timers fire.
func appendPosition(dst []byte, timestamp int64, row []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(timestamp)^1<<63)
	return append(dst, row...)
}

// splitPosition reads what appendPosition wrote. What is shorter has no row, which
// none has: whoever reads the row will say so.
func splitPosition(position string) (timestamp int64, row string) {
	var at [8]byte
	n := copy(at[:], position)
	return int64(binary.BigEndian.Uint64(at[:]) ^ 1<<63), position[n:]
}

// splitOf cuts keys behind the namespace, those of timers behind the section. It is
// part of the tree, by its name.
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

// splitName begins the names of the split functions of backends.
const splitName = "composite key"

// Split returns the split function of a name that lsm.SplitOf has read from the tree of a
// backend, which is the folder tree in its directory: with it and PartitionBytes, lsm.Check
// and tools open trees and tables of backends. It is ErrNotStore for any other name.
func Split(name string) (lsm.Split, error) {
	if name == splitName {
		return splitOf(-1), nil
	}
	var keySize int
	_, err := fmt.Sscanf(name, splitName+" of %d bytes", &keySize)
	if s := splitOf(keySize); err == nil && s.Name == name {
		return s, nil
	}
	return lsm.Split{}, fmt.Errorf("a store is split as %.64q, not by a backend: %w", name, ErrNotStore)
}

// prefixSize is the size of the prefix of a key, all of it for what is none. KeySize
// is that of encoded keys, negative if they are escaped.
func prefixSize(key []byte, keySize int) int {
	if n, ok := splitKey(key, keySize); ok {
		return n
	}
	return len(key)
}

// splitKey is prefixSize for bytes that may be no key.
func splitKey(key []byte, keySize int) (prefix int, ok bool) {
	if len(key) < backend.HeaderSize {
		return 0, false
	}
	if key[0]&timerBit != 0 {
		return sectionSize, len(key) >= sectionSize
	}
	at, ok := backend.HeaderSize+keySize, true
	if keySize < 0 {
		at, ok = endOfEscaped(key, backend.HeaderSize)
	}
	if !ok || at > len(key) {
		return 0, false
	}
	return endOfEscaped(key, at)
}

// endOfEscaped is where the escaped part ends that begins at a byte: see
// docs/format-key.md.
func endOfEscaped(key []byte, at int) (end int, ok bool) {
	for {
		i := bytes.IndexByte(key[at:], 0x00)
		if i < 0 || at+i+1 == len(key) {
			return 0, false
		}
		at += i + 2
		switch key[at-1] {
		case 0x01:
			return at, true
		case 0xFF:
		default:
			return 0, false
		}
	}
}
