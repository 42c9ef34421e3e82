// Package manifest has the record of a store's tables: edits, each one step from a tree to
// the next (Edit), the file that has them (Manifest), what they come to (Catalog), and the
// file CURRENT that names the manifest which counts (Current). Bytes:
// docs/format-manifest.md. Its Parser reads the same fields in a log.
//
// The mutex of a Manifest is held for as long as the tree changes, and is taken before the
// lock of the store.
package manifest
