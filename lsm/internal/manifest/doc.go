// Package manifest records which tables make up the tree of a store. Each change of the tree
// is an Edit; a Manifest is the file of edits; CURRENT names the manifest in use (Current); a
// Catalog is the result of replaying the edits. The bytes are in docs/format-manifest.md. Logs
// of writes describe tables in the same format, and read them with Parser.
//
// The mutex of a Manifest is held throughout a change of the tree, and is acquired before the
// lock of the store.
package manifest
