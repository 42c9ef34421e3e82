package run

import "github.com/cespare/xxhash/v2"

// Split cuts keys into a prefix, which groups keys, and a suffix. All keys of a prefix can be
// deleted or walked in one operation. Hash tables and filters index prefixes in addition to
// whole keys.
type Split struct {
	// Name identifies the function in files. A store can only be opened with a function of the
	// same name.
	Name string
	// Func returns the length of a key's prefix. It must accept any bytes. Two rules keep the
	// keys of a prefix together in the order of keys: the prefix of a prefix is the prefix
	// itself, and if Func cuts off a suffix of a key, it cuts every key that begins with the
	// same prefix at the same length. Example: the prefix ends after the first slash; without a
	// slash it is the whole key.
	Func func(key []byte) int
}

// WholeKey is the Split without grouping: the prefix is the whole key.
var WholeKey = Split{Name: "whole", Func: func(key []byte) int { return len(key) }}

// Hash returns the hash of a key or prefix, as used in memory and in files: xxh64 with seed 0.
func Hash(b []byte) uint64 { return xxhash.Sum64(b) }

// LookupKey is a key, or a prefix, together with its hashes. A caller prepares it once and
// uses it with several runs.
type LookupKey struct {
	Key        []byte // owned by the caller: a run that keeps it makes a copy
	PrefixLen  int    // length of the prefix in bytes
	Hash       uint64 // hash of Key
	PrefixHash uint64 // hash of the prefix; equal to Hash if the prefix is the whole key
}

// Prepare sets all fields of k for a key.
func (s *Split) Prepare(k *LookupKey, key []byte) {
	k.Key, k.Hash, k.PrefixLen = key, Hash(key), s.Func(key)
	k.PrefixHash = k.Hash
	if k.PrefixLen < len(key) {
		k.PrefixHash = Hash(key[:k.PrefixLen])
	}
}

// SetPrefix sets all fields of k for a whole prefix.
func (k *LookupKey) SetPrefix(prefix []byte) {
	k.Key, k.Hash, k.PrefixLen = prefix, Hash(prefix), len(prefix)
	k.PrefixHash = k.Hash
}

// Prefix returns the prefix of the key.
func (k *LookupKey) Prefix() []byte { return k.Key[:k.PrefixLen] }
