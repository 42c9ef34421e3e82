package run

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"
)

// Split cuts keys into a prefix, by which they belong together, and a suffix.
// Clearing a prefix and walking it are one operation; hash structures and filters
// hold prefixes beside whole keys.
type Split struct {
	// Name identifies the function in files.
	Name string
	// Func returns the length of a key's prefix. It gives the same for every
	// key with that prefix, and the whole length for the prefix alone; so
	// prefixes are as ordered as keys. It must not fail for any bytes.
	Func func(key []byte) int
}

// WholeKey is the Split of keys that stand alone: the prefix is the key.
var WholeKey = Split{Name: "whole", Func: func(key []byte) int { return len(key) }}

// Hash is that of keys and prefixes, in memory and in files: xxh64, seed 0.
func Hash(b []byte) uint64 { return xxhash.Sum64(b) }

// Probe is a key prepared for asking many runs about it.
type Probe struct {
	Key        []byte
	PrefixLen  int
	Hash       uint64 // of Key
	PrefixHash uint64 // of the prefix; Hash if that is all of the key
}

// Prepare fills in the probe for a key.
func (s *Split) Prepare(p *Probe, key []byte) {
	p.Key, p.Hash, p.PrefixLen = key, Hash(key), s.Func(key)
	p.PrefixHash = p.Hash
	if p.PrefixLen < len(key) {
		p.PrefixHash = Hash(key[:p.PrefixLen])
	}
}

// Prefix is that of the key.
func (p *Probe) Prefix() []byte { return p.Key[:p.PrefixLen] }

// Head is the first eight bytes of a key, as a number, or all of it and zeros:
// where two differ they are as ordered as the keys.
func Head(key []byte) uint64 {
	if len(key) >= 8 {
		return binary.BigEndian.Uint64(key)
	}
	var b [8]byte
	copy(b[:], key)
	return binary.BigEndian.Uint64(b[:])
}
