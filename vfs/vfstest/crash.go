package vfstest

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// CrashOptions choose which unsynced changes survive a crash. With the zero value, none do.
type CrashOptions struct {
	// Keep is the probability, from 0 to 1, that an unsynced block of data, change of an entry or
	// change of a file's length survives. Default 0: nothing survives. With 1 everything
	// survives that no failed sync has lost.
	Keep float64

	// Rand makes the choices if Keep is between 0 and 1. Equal histories and seeds give equal
	// clones. CrashClone does not use it after it returns. Default nil: a source with seed 0.
	Rand *rand.Rand

	// BlockBytes is the size of a block in bytes, aligned in the file. Default 512, a disk sector,
	// which disks write as a whole. File systems write 4096.
	BlockBytes int
}

// CrashClone returns a file system as a power cut at this moment could leave it: with everything
// synced, and with those unsynced changes that the options keep. In the clone all of that is
// durable, no file is open, and nothing is locked. The clone has the limit of m, which files that
// survive may exceed. It shares with m only data that never changes. CrashClone may be called
// concurrently with operations on m.
func (m *Mem) CrashClone(o CrashOptions) *Mem {
	m.mu.RLock()
	defer m.mu.RUnlock()
	clone := NewMem(MemOptions{MaxBytes: m.maxBytes})
	c := crash{
		CrashOptions: o,
		kept:         map[*change]bool{},
		files:        map[*file]*file{},
	}
	if c.Rand == nil {
		c.Rand = rand.New(rand.NewPCG(0, 0))
	}
	if c.BlockBytes <= 0 {
		c.BlockBytes = 512
	}
	clone.root = c.dir(m.root)
	for _, f := range c.files {
		clone.usedBytes += int64(len(f.data))
	}
	return clone
}

// crash is one power cut, and the choices made for it so far.
type crash struct {
	CrashOptions
	kept  map[*change]bool
	files map[*file]*file // the surviving copy of each file
}

func (c *crash) chance() bool {
	switch {
	case c.Keep <= 0:
		return false
	case c.Keep >= 1:
		return true
	}
	return c.Rand.Float64() < c.Keep
}

// dir returns what survives of a directory and everything below it. It visits names in order, so
// that equal seeds make equal choices.
func (c *crash) dir(d *dir) *dir {
	left := maps.Clone(d.durable)
	for _, ch := range d.pending {
		if c.keeps(ch) {
			apply(left, ch.name, ch.to)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(left)) {
		switch n := left[name].(type) {
		case *dir:
			left[name] = c.dir(n)
		case *file:
			f := c.file(n)
			f.links++
			left[name] = f
		}
	}
	return &dir{entries: left, durable: maps.Clone(left)}
}

// keeps reports whether a change survives. A rename's removal survives only if its new name does.
func (c *crash) keeps(ch *change) bool {
	switch ch.fate {
	case durable:
		return true
	case lost:
		return false
	}
	kept, decided := c.kept[ch]
	if !decided {
		kept = (ch.after == nil || c.keeps(ch.after)) && c.chance()
		c.kept[ch] = kept
	}
	return kept
}

// file returns what survives of a file: the same file for all of its names.
func (c *crash) file(f *file) *file {
	left, ok := c.files[f]
	if !ok {
		data := c.data(f)
		left = &file{data: data, settledBytes: len(data), durableBytes: len(data)}
		c.files[f] = left
	}
	return left
}

// data returns what survives of a file's content.
func (c *crash) data(f *file) []byte {
	unsynced := f.settledBytes < len(f.data)
	if len(f.lost) == 0 && (!unsynced || c.Keep <= 0 || c.Keep >= 1) {
		n := f.durableBytes
		if c.Keep >= 1 {
			n = len(f.data)
		}
		return f.data[:n:n] // shared: bytes never change, and appends to either copy reallocate
	}

	left := make([]byte, len(f.data)) // zeros where nothing survives
	copy(left, f.data[:f.settledBytes])
	for _, s := range f.lost {
		clear(left[s.from:s.to])
	}
	end := f.durableBytes
	var last span
	for from := f.settledBytes; from < len(f.data); {
		to := min(from-from%c.BlockBytes+c.BlockBytes, len(f.data))
		if c.chance() {
			copy(left[from:to], f.data[from:to])
			last, end = span{from, to}, to
		}
		from = to
	}
	if last.from < last.to && !c.chance() { // torn write
		end = last.from + 1 + c.Rand.IntN(last.to-last.from)
		clear(left[end:last.to])
	}
	if len(f.data) > end && c.chance() { // the length survived without the data
		end = len(f.data)
	}
	return left[:end:end]
}
