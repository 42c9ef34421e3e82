// Package sstable stores a run in a file: written once, in key order, then read by key, by
// range or as a whole, and verifiable to the last byte. Blocks that were read are kept in a
// cache with a fixed memory budget. The package knows bytes and a function that splits keys.
// It does not know which files make up a tree, what the tree has in memory, or what the bytes
// mean.
//
// docs/format-sstable.md describes the file.
package sstable
