package run

import "github.com/cespare/xxhash/v2"

// Split cuts keys into a prefix, which groups keys, and a suffix. A prefix can be
// cleared and walked in one operation; hash structures and filters hold prefixes
// beside whole keys.
type Split struct {
	// Name identifies the function in files.
	Name string
	// Func returns the length of a key's prefix. It returns the same for every key
	// with that prefix, and the whole length for the prefix alone, so that prefixes
	// are in the order of keys. It must not fail for any bytes.
	Func func(key []byte) int
}

// WholeKey is the Split of keys that stand alone: the prefix is the key.
var WholeKey = Split{Name: "whole", Func: func(key []byte) int { return len(key) }}

// Hash returns the hash of a key or a prefix, in memory and in files: xxh64, seed 0.
func Hash(b []byte) uint64 { return xxhash.Sum64(b) }

// LookupKey is a key, or a prefix, with its hashes. It is prepared once and then used
// with many runs.
type LookupKey struct {
	Key        []byte // owned by the caller: a run copies it
	PrefixLen  int    // the length of the prefix in bytes
	Hash       uint64 // of Key
	PrefixHash uint64 // of the prefix; Hash if the prefix is the whole key
}

// Prepare fills in k for a key.
func (s *Split) Prepare(k *LookupKey, key []byte) {
	k.Key, k.Hash, k.PrefixLen = key, Hash(key), s.Func(key)
	k.PrefixHash = k.Hash
	if k.PrefixLen < len(key) {
		k.PrefixHash = Hash(key[:k.PrefixLen])
	}
}

// Prefix returns the prefix of the key.
func (k *LookupKey) Prefix() []byte { return k.Key[:k.PrefixLen] }
