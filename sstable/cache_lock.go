package sstable

import "sync"

// CacheLock is the lock of a tree. It guards the tree, the cache frames and slots of the tree's
// tables, and the buffers for blocks that are not cached. All tables with one CacheLock use the
// same Cache.
type CacheLock struct {
	*sync.Mutex

	lastFrame uint32 // frame of the block read last; 0 if the block is in a buffer
	pinned    uint32 // pinned frame; 0 for none

	stored, raw []byte // buffers for the last block read: stored and uncompressed form
	counts      ReadCounts
}

// ReadCounts counts the reads of the tables of one CacheLock. Reads that bypass the cache,
// such as those of compactions, are not counted.
type ReadCounts struct {
	// CacheHits counts block reads that found the block in the cache, CacheMisses those that
	// did not.
	CacheHits, CacheMisses int64
	// Useful counts files that Get did not read because of their filter. FalsePositives counts
	// files that Get read, as their filter allowed, although they had no entry of the key.
	Useful, FalsePositives int64
}

// Counts returns the counts so far. The caller holds the lock.
func (o *CacheLock) Counts() ReadCounts { return o.counts }

// Pin keeps the bytes of the last Get valid after the lock is released, until Unpin or the
// next Pin. The caller holds the lock.
func (o *CacheLock) Pin() {
	o.pinned = o.lastFrame
	if o.lastFrame == 0 {
		o.stored, o.raw = nil, nil // leave the buffers to the caller; the garbage collector frees them
	}
}

// Unpin ends the effect of Pin. The caller holds the lock.
func (o *CacheLock) Unpin() { o.pinned = 0 }
