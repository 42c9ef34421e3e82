package vfstest

import (
	"io/fs"
	"time"

	"github.com/weirstate/weir/vfs"
)

// node is what a name in a Mem leads to: a *file or a *dir. Nodes are guarded
// by the Mem's mutex.
type node interface{ info(base string) fs.FileInfo }

// file is the content of a file, whatever names and handles lead to it.
//
// Invariant: bytes of data never change once written, so that crash clones
// share them.
type file struct {
	data    []byte
	links   int // names, in the program's view
	handles int // open handles

	// settledBytes divides data: before it bytes are durable or lost for good,
	// from it on a crash may keep them or not.
	settledBytes int

	// durableBytes is the length that a crash leaves at least.
	// Invariant: durableBytes ≤ settledBytes ≤ len(data).
	durableBytes int

	// lost are the parts before settledBytes that a failed sync gave up, in
	// order. They read well until the crash, and as zeros after it.
	lost []span
}

// span is the bytes [from, to) of a file.
type span struct{ from, to int }

// sync makes all data durable that no failed sync gave up.
func (f *file) sync() {
	f.settledBytes = len(f.data)
	f.durableBytes = len(f.data)
}

// dropUnsynced gives up what is not settled, as Linux does when fsync fails.
func (f *file) dropUnsynced() {
	if f.settledBytes < len(f.data) {
		f.lost = append(f.lost, span{f.settledBytes, len(f.data)})
		f.settledBytes = len(f.data)
	}
}

// dir is a directory.
//
// Invariant: entries is durable with all changes applied, those that a failed
// sync gave up included.
type dir struct {
	entries map[string]node // what the program sees
	durable map[string]node // what is left if a crash keeps no change
	pending []*change       // since the last sync, oldest first
}

// change is one change of one name in one directory.
type change struct {
	name string
	to   node // nil: the name is removed
	fate fate

	// after is set on the removal half of a rename, to the other half: a crash
	// that keeps this change keeps that one.
	after *change
}

// fate is what is known about a change before a crash.
type fate uint8

const (
	undecided fate = iota // a crash may keep it or not
	durable               // synced
	lost                  // given up by a failed sync
)

func newDir() *dir {
	return &dir{entries: map[string]node{}, durable: map[string]node{}}
}

// set makes name lead to n, or to nothing if n is nil.
func (d *dir) set(name string, n node, after *change) *change {
	apply(d.entries, name, n)
	c := &change{name: name, to: n, after: after}
	d.pending = append(d.pending, c)
	return c
}

// sync makes all changes durable that no failed sync gave up.
func (d *dir) sync() {
	for _, c := range d.pending {
		apply(d.durable, c.name, c.to)
		c.fate = durable
	}
	d.pending = nil
}

// dropUnsynced gives up the pending changes: the program still sees them, but no sync or crash
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

// notRegular is the error of a directory where a file belongs.
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
