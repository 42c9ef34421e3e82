package version

import (
	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/sstable"
	"github.com/weirstate/weir/vfs"
)

// FileMeta is the description of a table in the manifest. See docs/format-manifest.md.
type FileMeta struct {
	Number   uint64       // name of the file; never reused
	Run      uint64       // newest run in the table; orders level 0
	Identity vfs.Identity // identity of the file
	Size     int64        // size of the file in bytes, regardless of Clip
	// Bounds contain all keys, prefixes of tombstones and range tombstones of the table, cut
	// to Clip.
	Bounds run.Range
	// Clip is the part of the file that belongs to this table; {nil, nil} is the whole file.
	Clip run.Range

	Entries    int64 // entries of the whole file, regardless of Clip
	Tombstones int64 // prefix tombstones of the whole file
}

// File is an open table of a tree.
//
// # Virtual tables
//
// A compaction may stop before the end of its inputs. Then the tree keeps the unread rest of
// an input without copying it: a new File, called a virtual table, refers to the same file on
// disk with a smaller Clip.
//
//	000012.sst   [a ......... m ........... z]
//	output       [a ......... m)                  written by the compaction
//	remainder                [m ........... z]    virtual table: File{Number: 12, Clip: {m, nil}}
//
// The manifest records Clip with the table, so a virtual table survives a restart. Each
// virtual table is opened on its own and has its own index in memory; cached blocks move to
// the new table (sstable.Table.MoveFramesFrom), because the old one will no longer be read.
//
// Invariant: at most one File of a number is in a tree. Its Clip only shrinks.
//
// Invariant: *Sharers is the number of open Files that use the same file on disk. The file may
// be removed only when the last of them is closed.
type File struct {
	FileMeta
	Table *sstable.Table // reads the file
	refs  int            // trees and sealed runs that have it; guarded by the lock of the store
	// Sharers counts the open virtual tables of one file on disk. All of them point to the
	// same counter, which the lock of the store guards.
	Sharers *int
}

// newFile returns a File for a table that no other File shares.
func newFile(m FileMeta, table *sstable.Table) *File {
	f := &File{FileMeta: m, Table: table, Sharers: new(int)}
	*f.Sharers = 1
	return f
}

// ClippedEntries estimates the number of entries and tombstones within Clip, from the share of
// bytes that Clip leaves.
func (f *File) ClippedEntries() float64 {
	return float64(f.Entries+f.Tombstones) * float64(f.Table.ClippedBytes()) / float64(f.Table.Info().Size)
}

// Close closes the table, and reports whether it was the last open virtual table of its file.
// The caller holds the lock of the store, which guards the cache frames of the table.
func (f *File) Close() (last bool, err error) {
	*f.Sharers--
	return *f.Sharers == 0, f.Table.Close()
}
