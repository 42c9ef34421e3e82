package version

import (
	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/sstable"
	"github.com/weirstate/weir/vfs"
)

// FileMeta is what the manifest says of a table. See docs/format-manifest.md.
type FileMeta struct {
	Number   uint64 // names the file, never reused
	Run      uint64 // the newest run in it: the order of level 0
	Identity vfs.Identity
	Size     int64
	// Bounds hold all that the file says, within clip.
	Bounds run.Range
	// Clip is the part of the file that counts, {nil, nil} for all of it.
	Clip run.Range

	Entries    int64 // of the whole file, whatever the clip
	Tombstones int64
}

// File is a table of the tree, open.
type File struct {
	FileMeta
	Table *sstable.Table
	refs  int // of trees that have it; the lock of the store
	// Sharers counts the virtual tables that share the file on the disk, this one
	// among them. They have the counter in common; the lock of the store.
	Sharers *int
}

// newFile returns a table that was opened, the only one of its file.
func newFile(m FileMeta, table *sstable.Table) *File {
	f := &File{FileMeta: m, Table: table, Sharers: new(int)}
	*f.Sharers = 1
	return f
}

// ClippedEntries returns about how many entries the part of the file has that counts.
func (f *File) ClippedEntries() float64 {
	return float64(f.Entries+f.Tombstones) * float64(f.Table.ClippedBytes()) / float64(f.Table.Info().Size)
}

// Close closes a file, and reports whether it was the last part of the one on the disk.
// The lock of the store is held: it guards the frames of the table.
func (f *File) Close() (last bool, err error) {
	*f.Sharers--
	return *f.Sharers == 0, f.Table.Close()
}
