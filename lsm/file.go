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
}
