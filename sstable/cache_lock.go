package sstable

import "sync"

// CacheLock is the lock of a tree, and what it guards of the tree's tables: their
// frames, their slots, and the buffers for blocks that are in no frame. One
// CacheLock has one Cache.
type CacheLock struct {
	*sync.Mutex

	used uint32 // frame of the last block, 0 if it is in a buffer
	kept uint32 // frame that is not evicted, 0 for none

	stored, raw []byte // the last block read, as stored and as it was
	counts      ReadCounts
}

// ReadCounts count what reads of the tables of one CacheLock found. Compactions and other
// reads that pass the cache by do not count.
type ReadCounts struct {
	CacheHits, CacheMisses int64 // blocks that the cache had, or not
	// Useful counts files that a filter kept Get from reading, FalsePositives files that a
	// filter let Get read although they have no entry for the key.
	Useful, FalsePositives int64
}

// Counts returns the counts so far. The caller holds the lock.
func (o *CacheLock) Counts() ReadCounts { return o.counts }

// Keep sees to it that the bytes of the last Get stay after the lock is
// released, until Drop or the next Keep. The caller holds the lock.
func (o *CacheLock) Pin() {
	o.kept = o.used
	if o.used == 0 {
		o.stored, o.raw = nil, nil // the collector keeps them
	}
}

// Drop ends what Keep began. The caller holds the lock.
func (o *CacheLock) Unpin() { o.kept = 0 }
