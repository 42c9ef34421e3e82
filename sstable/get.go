package sstable

import (
	"encoding/binary"

	"github.com/weirstate/weir/run"
)

// Skips reports whether, by its filter, the file has neither an entry of the key nor a tombstone that
// covers it, so that Get would do nothing. It returns false if the filter is not in memory. The
// caller holds the CacheLock.
func (t *Table) Skips(p *run.LookupKey) bool {
	if t.file == nil || len(t.ranges) > 0 || t.filter.mayHold(p.Hash) ||
		t.info.Tombstones > 0 && t.filter.mayHold(p.PrefixHash^tombstoneSalt) {
		return false
	}
	t.noteUse(p.Key)
	t.lock.counts.Useful++
	return true
}

// Lacks reports whether, by its filter, the file has neither the key of p nor any key of which it is
// the prefix. It reads nothing, and returns false if the filter is not in memory. The caller holds
// the CacheLock.
func (t *Table) Lacks(p *run.LookupKey) bool {
	if t.file == nil || t.filter.mayHold(p.Hash) {
		return false
	}
	t.noteUse(p.Key)
	return true
}

// noteUse keeps Handles from closing the table if a key is in its range, so that its filter was worth
// its memory. Otherwise the range would have excluded the table too.
func (t *Table) noteUse(key []byte) {
	if !t.used {
		t.used = t.info.Range.Contains(key)
	}
}

// Get adds the entry of the file for a key to a lookup, and reports whether older runs cannot
// contribute to the value, because of that entry or of a tombstone of the file. The added
// bytes are valid until the lock is released or the next block is read, unless CacheLock.Pin
// keeps them. The caller holds the CacheLock.
func (t *Table) Get(p *run.LookupKey, f *run.Lookup) (last bool, err error) {
	if err := t.ensureOpen(); err != nil {
		return false, err
	}
	if t.filter.mayHold(p.Hash) && t.index.count > 0 {
		if t.clipped && !t.clip.Contains(p.Key) {
			return false, nil
		}
		form, value, found, err := t.find(p.Key, p.Hash, false)
		if err != nil {
			return false, err
		}
		if found {
			if last, err = t.add(form, value, f); last || err != nil {
				return last, err
			}
		} else if len(t.filter.blocks) > 0 {
			t.lock.counts.FalsePositives++
		}
	} else if t.index.count > 0 {
		t.lock.counts.Useful++
	}
	if t.info.Tombstones == 0 && len(t.ranges) == 0 {
		return false, nil
	}
	return t.covers(p)
}

// add adds an entry to a lookup.
func (t *Table) add(form byte, value []byte, f *run.Lookup) (last bool, err error) {
	if form&formLarge == 0 {
		return f.AddTransient(kindOf(form), value), nil
	}
	l, ok := t.newLarge(value)
	if !ok {
		return false, corrupt(0, "invalid reference to a large value")
	}
	return f.Add(kindOf(form), run.Value{Large: l}), nil
}

// covers reports whether a tombstone of the file covers the key.
func (t *Table) covers(p *run.LookupKey) (bool, error) {
	if t.clipped && !t.clip.Contains(p.Key) {
		return false, nil
	}
	if t.ranges.Covers(p.Key) {
		return true, nil
	}
	return t.hasTombstone(p)
}

// Hides reports whether a tombstone covers all keys with the prefix of p. The caller holds the
// CacheLock.
func (t *Table) Hides(p *run.LookupKey) (bool, error) {
	if err := t.ensureOpen(); err != nil {
		return false, err
	}
	if t.ranges.CoversPrefix(p.Prefix()) {
		return true, nil
	}
	return t.hasTombstone(p)
}

// hasTombstone reports whether the file has a prefix tombstone for the prefix of p.
func (t *Table) hasTombstone(p *run.LookupKey) (bool, error) {
	if t.info.Tombstones == 0 || !t.filter.mayHold(p.PrefixHash^tombstoneSalt) ||
		t.clipped && !t.clip.Contains(p.Prefix()) {
		return false, nil
	}
	_, _, found, err := t.find(p.Prefix(), p.PrefixHash, true)
	return found, err
}

// MayHold reports whether, by its filter, the file may have a key with the prefix of p, or a
// prefix tombstone for it. It ignores range tombstones, and returns true if the table cannot be
// read. The caller holds the CacheLock.
func (t *Table) MayHold(p *run.LookupKey) bool {
	return t.ensureOpen() != nil || t.filter.mayHold(p.PrefixHash) ||
		t.info.Tombstones > 0 && t.filter.mayHold(p.PrefixHash^tombstoneSalt)
}

// find searches the one block that may have an entry. The file must have a block.
func (t *Table) find(key []byte, hash uint64, tombstone bool) (form byte, value []byte, found bool, err error) {
	i := t.index.find(key)
	raw, err := t.block(i)
	if err != nil {
		return 0, nil, false, err
	}
	var b block
	if b.parse(raw) {
		if e, found, ok := b.find(key, hash, tombstone); ok {
			return e.form, b.value(e), found, nil
		}
	}
	return 0, nil, false, corrupt(t.index.offset(i), "invalid data block")
}

// block returns an uncompressed data block, in a frame or in a buffer of the CacheLock, which
// the caller holds.
func (t *Table) block(i int) ([]byte, error) {
	if t.cache == nil {
		return t.loadBlock(i)
	}
	if frame := t.slot(i); frame != 0 {
		t.lock.lastFrame = frame
		t.lock.counts.CacheHits++
		return t.cache.hit(frame), nil
	}
	t.lock.counts.CacheMisses++
	return t.loadBlock(i)
}

// slot returns the frame of block i, 0 if the block is not cached.
func (t *Table) slot(i int) uint32 { return binary.NativeEndian.Uint32(t.slots[4*i:]) }

// setSlot sets the frame of block i.
func (t *Table) setSlot(i int, frame uint32) { binary.NativeEndian.PutUint32(t.slots[4*i:], frame) }

// loadBlock reads a block from the file, into a frame if the cache has one.
func (t *Table) loadBlock(i int) ([]byte, error) {
	o, offset := t.lock, t.index.offset(i)
	o.stored = resized(o.stored, int(t.index.size(i)))
	if cap(o.stored) > maxKeptBytes {
		defer func() { o.stored = nil }()
	}
	if err := t.read(o.stored, offset); err != nil {
		return nil, err
	}
	e, err := unseal(o.stored, &t.id, offset)
	if err != nil {
		return nil, err
	}
	if t.cache != nil && e.rawBytes <= t.cache.frameBytes {
		if frame := t.cache.acquire(o); frame != 0 {
			return t.cacheBlock(frame, i, &e, offset)
		}
	}
	o.lastFrame = 0
	if e.form == None {
		return e.stored, nil
	}
	o.raw = resized(o.raw, e.rawBytes)
	return o.raw, e.unpack(o.raw, offset)
}

// cacheBlock unpacks a block into a frame.
func (t *Table) cacheBlock(frame uint32, i int, e *envelope, offset int64) ([]byte, error) {
	raw := t.cache.memory(frame)[:e.rawBytes]
	if err := e.unpack(raw, offset); err != nil {
		t.cache.release(frame)
		return nil, err
	}
	t.cache.assign(frame, t, i, e.rawBytes)
	t.setSlot(i, frame)
	t.lock.lastFrame = frame
	return raw, nil
}
