// Package sstable is a run in a file: written once, in order, then read by key,
// by range or whole, and checked to the last byte. Blocks that were read are
// kept in a cache of frames that belongs to a budget of memory. The room knows
// bytes and a function that splits keys; it may not know which files make a
// tree, what is in its memory, or what the bytes mean.
//
// docs/format-sstable.md describes the file.
package sstable
