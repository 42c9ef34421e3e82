package vfstest

import (
	"io/fs"
	"time"

	"github.com/weirstate/weir/vfs"
)

// node is a *file or a *dir. The mutex of the Mem guards nodes.
type node interface{ info(base string) fs.FileInfo }

// file is the content of a file, independent of its names and handles.
//
// Invariant: bytes of data never change once written, so crash clones share them.
type file struct {
	data    []byte
	links   int // number of names that the program sees
	handles int // number of open handles

	// settledBytes divides data: bytes before it are durable or lost for good; a crash may keep or
	// lose bytes after it.
	settledBytes int

	// durableBytes is the smallest length after a crash.
	//
	// Invariant: durableBytes ≤ settledBytes ≤ len(data).
	durableBytes int

	// lost are the parts before settledBytes that a failed sync has lost, in order. They are
	// readable until the crash, and zeros after it.
	lost []span
}

// span is the bytes [from, to) of a file.
type span struct{ from, to int }

// sync makes all data durable, except data that a failed sync has lost.
func (f *file) sync() {
	f.settledBytes = len(f.data)
	f.durableBytes = len(f.data)
}

// dropUnsynced loses the data that is not settled, as Linux does when fsync fails.
func (f *file) dropUnsynced() {
	if f.settledBytes < len(f.data) {
		f.lost = append(f.lost, span{f.settledBytes, len(f.data)})
		f.settledBytes = len(f.data)
	}
}

// dir is a directory.
//
// Invariant: entries is durable with all changes applied, also those that a failed sync has lost.
type dir struct {
	entries map[string]node // what the program sees
	durable map[string]node // left after a crash that keeps no change
	pending []*change       // changes since the last sync, oldest first
}

// change is one change of one name in one directory.
type change struct {
	name string
	to   node // nil: the name is removed
	fate fate

	// after is set on the removal half of a rename, to its other half: a crash that keeps the
	// removal keeps the new name.
	after *change
}

// fate is the future of a change in a crash.
type fate uint8

const (
	undecided fate = iota // a crash may keep it or lose it
	durable               // synced
	lost                  // lost by a failed sync
)

func newDir() *dir {
	return &dir{entries: map[string]node{}, durable: map[string]node{}}
}

// set makes a name lead to n, or removes it if n is nil. It returns the pending change.
func (d *dir) set(name string, n node, after *change) *change {
	apply(d.entries, name, n)
	c := &change{name: name, to: n, after: after}
	d.pending = append(d.pending, c)
	return c
}

// sync makes all changes durable, except changes that a failed sync has lost.
func (d *dir) sync() {
	for _, c := range d.pending {
		apply(d.durable, c.name, c.to)
		c.fate = durable
	}
	d.pending = nil
}

// dropUnsynced loses the pending changes: the program still sees them, but no sync and no crash
// keeps them.
func (d *dir) dropUnsynced() {
	for _, c := range d.pending {
		c.fate = lost
	}
	d.pending = nil
}

func apply(entries map[string]node, name string, n node) {
	if n == nil {
		delete(entries, name)
	} else {
		entries[name] = n
	}
}

// notRegular is the error for a directory in place of a file.
var notRegular = vfs.CheckRegular(memInfo{mode: fs.ModeDir})

// memInfo is the fs.FileInfo of a node.
type memInfo struct {
	name      string
	sizeBytes int64
	mode      fs.FileMode
}

func (f *file) info(base string) fs.FileInfo {
	return memInfo{name: base, sizeBytes: int64(len(f.data)), mode: 0o600}
}

func (d *dir) info(base string) fs.FileInfo {
	return memInfo{name: base, mode: fs.ModeDir | 0o700}
}

func (i memInfo) Name() string       { return i.name }
func (i memInfo) Size() int64        { return i.sizeBytes }
func (i memInfo) Mode() fs.FileMode  { return i.mode }
func (i memInfo) ModTime() time.Time { return time.Time{} }
func (i memInfo) IsDir() bool        { return i.mode.IsDir() }
func (i memInfo) Sys() any           { return nil }
