package lsm

import (
	"github.com/weirstate/weir/internal/run"
	"github.com/weirstate/weir/sstable"
)

// fileMeta is what the manifest says of a table. See docs/format-manifest.md.
type fileMeta struct {
	number   uint64 // names the file, never reused
	run      uint64 // the newest run in it: the order of level 0
	identity [16]byte
	size     int64
	// bounds hold all that the file says, within clip.
	bounds run.Range
	// clip is the part of the file that counts, {nil, nil} for all of it.
	clip run.Range

	entries    int64 // of the whole file, whatever the clip
	tombstones int64
}

// file is a table of the tree, open.
type file struct {
	fileMeta
	table *sstable.Table
	refs  int // of trees that have it; the lock of the store
	// parts is how many files are parts of this one on the disk, itself among
	// them. They share it; the lock of the store.
	parts *int
}

// newFile is a table that was opened, the only part of its file.
func newFile(m fileMeta, table *sstable.Table) *file {
	f := &file{fileMeta: m, table: table, parts: new(int)}
	*f.parts = 1
	return f
}

// clippedEntries is about how many entries the part of the file has that counts.
func (f *file) clippedEntries() float64 {
	return float64(f.entries+f.tombstones) * float64(f.table.ClippedBytes()) / float64(f.table.Info().Size)
}

// openRest opens the part of a file from a key on, as a file of its own that shares the
// one on the disk.
func (db *DB) openRest(f *file, from []byte) (*file, error) {
	m, within := f.fileMeta, run.Range{From: from}
	m.clip, m.bounds = m.clip.Intersect(within), m.bounds.Intersect(within)
	rest, err := db.openTable(m)
	if err != nil {
		return nil, err
	}
	db.owner.Lock()
	defer db.owner.Unlock()
	*f.parts++
	rest.parts = f.parts
	rest.table.Inherit(f.table)
	return rest, nil
}

// close closes a file, and says whether it was the last part of the one on the disk.
// The lock of the store is held: it guards the frames of the table.
func (f *file) close() (last bool, err error) {
	*f.parts--
	return *f.parts == 0, f.table.Close()
}
