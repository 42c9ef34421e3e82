package vfstest

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// CrashOptions choose what a crash keeps of all that was not synced. The zero
// value keeps nothing.
type CrashOptions struct {
	// Keep is the probability with which each unsynced block of data, change
	// of a directory entry and change of a file's length survives, 0 to 1.
	// Default 0: nothing survives. 1: everything does, but not what a failed
	// sync gave up.
	Keep float64

	// Rand makes the choices when Keep is between 0 and 1; equal histories and
	// seeds give equal clones. It is not used after CrashClone has returned.
	// Default nil: a source with seed 0.
	Rand *rand.Rand

	// BlockBytes is the size of a block, aligned in the file. Default 512, the
	// sector that disks write whole; 4096 is what file systems write.
	BlockBytes int
}

// CrashClone returns a file system in a state that a power cut at this moment could
// leave. Synced data survives; the options choose which unsynced data survives too. In
// the clone everything is durable, no file is open and none is locked. It has the
// limit of m, which files that come back may exceed, and shares no mutable data with m.
// CrashClone may be called while other goroutines use m.
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

// crash is one power cut and the choices made in it so far.
type crash struct {
	CrashOptions
	kept  map[*change]bool
	files map[*file]*file // by the file that each is the remains of
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

// dir returns what is left of a directory and all below it. Names go in order,
// for the same seed to make the same choices.
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

// keeps decides a change, once for both halves of a rename.
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

// file returns what is left of a file, the same for all its names.
func (c *crash) file(f *file) *file {
	left, ok := c.files[f]
	if !ok {
		data := c.data(f)
		left = &file{data: data, settledBytes: len(data), durableBytes: len(data)}
		c.files[f] = left
	}
	return left
}

// data returns what is left of a file's content.
func (c *crash) data(f *file) []byte {
	unsynced := f.settledBytes < len(f.data)
	if len(f.lost) == 0 && (!unsynced || c.Keep <= 0 || c.Keep >= 1) {
		n := f.durableBytes
		if c.Keep >= 1 {
			n = len(f.data)
		}
		return f.data[:n:n] // shared: bytes never change, and the capacity is clipped
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
	if last.from < last.to && !c.chance() { // torn
		end = last.from + 1 + c.Rand.IntN(last.to-last.from)
		clear(left[end:last.to])
	}
	if len(f.data) > end && c.chance() { // the length survived without the data
		end = len(f.data)
	}
	return left[:end:end]
}
