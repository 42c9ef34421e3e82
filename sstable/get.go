package sstable

import (
	"encoding/binary"

	"github.com/weirstate/weir/run"
)

// Get adds the entry of the file for a key to a lookup, and reports whether older runs
// have nothing to add, because of that entry or of a tombstone of the file. The bytes may
// be used until the owner's lock is released or the next block is read, unless CacheLock.Keep
// keeps them. The caller holds that lock.
func (t *Table) Get(p *run.LookupKey, f *run.Lookup) (last bool, err error) {
	if err := t.ready(); err != nil {
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
		return false, corrupt(0, "reference to a large value")
	}
	return f.Add(kindOf(form), run.Value{Large: l}), nil
}

// covers says whether a tombstone covers the key.
func (t *Table) covers(p *run.LookupKey) (bool, error) {
	if t.clipped && !t.clip.Contains(p.Key) {
		return false, nil
	}
	if t.ranges.Covers(p.Key) {
		return true, nil
	}
	return t.hasTombstone(p)
}

// Hides says whether a tombstone covers all keys with the prefix. The caller
// holds the owner's lock.
func (t *Table) Hides(p *run.LookupKey) (bool, error) {
	if err := t.ready(); err != nil {
		return false, err
	}
	if t.ranges.CoversPrefix(p.Prefix()) {
		return true, nil
	}
	return t.hasTombstone(p)
}

func (t *Table) hasTombstone(p *run.LookupKey) (bool, error) {
	if t.info.Tombstones == 0 || !t.filter.mayHold(p.PrefixHash^tombstoneSalt) ||
		t.clipped && !t.clip.Contains(p.Prefix()) {
		return false, nil
	}
	_, _, found, err := t.find(p.Prefix(), p.PrefixHash, true)
	return found, err
}

// MayHold says whether the file may have a key with the prefix, or a tombstone
// for it; it asks the filter. Ranges are not asked about. A table that cannot be read
// may hold anything.
func (t *Table) MayHold(p *run.LookupKey) bool {
	return t.ready() != nil || t.filter.mayHold(p.PrefixHash) ||
		t.info.Tombstones > 0 && t.filter.mayHold(p.PrefixHash^tombstoneSalt)
}

// find looks for an entry in the block that would have it. There is at least
// one block.
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
	return 0, nil, false, corrupt(t.index.offset(i), "a data block")
}

// block returns a raw data block, in a frame or a buffer of the owner, whose
// lock is held.
func (t *Table) block(i int) ([]byte, error) {
	if t.cache == nil {
		return t.load(i)
	}
	if frame := t.slot(i); frame != 0 {
		t.lock.used = frame
		t.lock.counts.CacheHits++
		return t.cache.hit(frame), nil
	}
	t.lock.counts.CacheMisses++
	return t.load(i)
}

func (t *Table) slot(i int) uint32           { return binary.NativeEndian.Uint32(t.slots[4*i:]) }
func (t *Table) setSlot(i int, frame uint32) { binary.NativeEndian.PutUint32(t.slots[4*i:], frame) }

// load reads a block from the file.
func (t *Table) load(i int) ([]byte, error) {
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
			return t.fill(frame, i, &e, offset)
		}
	}
	o.used = 0
	if e.form == None {
		return e.stored, nil
	}
	o.raw = resized(o.raw, e.rawBytes)
	return o.raw, e.unpack(o.raw, offset)
}

// fill puts a block into a frame.
func (t *Table) fill(frame uint32, i int, e *envelope, offset int64) ([]byte, error) {
	raw := t.cache.memory(frame)[:e.rawBytes]
	if err := e.unpack(raw, offset); err != nil {
		t.cache.release(frame)
		return nil, err
	}
	t.cache.fill(frame, t, i, e.rawBytes)
	t.setSlot(i, frame)
	t.lock.used = frame
	return raw, nil
}
