package memtable

import (
	"sync"
	"sync/atomic"

	"github.com/weirstate/weir/run"
)

// hashTable is the default Table: records in an arena, found by their hash through a directory.
// The keys of a prefix with suffixes are also in a tree of that prefix, for scans (see
// treeBlock).
//
//	lookup key --hash of the key-----> keys directory ------> record: key, value
//	           --hash of the prefix--> prefixes directory --> node: tombstone, root --> tree --> records
type hashTable struct {
	arena
	keys       directory // finds records
	prefixes   directory // finds nodes
	entries    int
	tombstones int // number of prefix tombstones
	ranges     run.Ranges
	sealed     bool

	// The record and the node found last: a state is usually read before it is written, and
	// consecutive writes often have one prefix. Unused once sealed, because a sealed table has
	// concurrent readers.
	lastHash, lastPrefixHash uint64
	lastRecord, lastNode     ref

	sorting     sync.Once
	sorted      items
	sortedBytes atomic.Int64
	walking     sync.Mutex // guards leaves that are sorted by Live iterators after Seal
}

// NewHash returns an empty table. It takes memory of the budget at the first write.
func NewHash(o Options) Table {
	if o.Budget == nil {
		o.Budget = NewBudget(0)
	}
	t := &hashTable{arena: arena{budget: o.Budget}}
	t.keys = directory{arena: &t.arena, keyOffset: headerBytes}
	t.prefixes = directory{arena: &t.arena, keyOffset: nodeKey}
	return t
}

// findRecord returns the record of a key, or 0.
func (t *hashTable) findRecord(k *run.LookupKey) ref {
	if t.lastRecord != 0 && t.lastHash == k.Hash && t.keys.hasKey(t.lastRecord, k.Key) {
		return t.lastRecord
	}
	r := t.keys.find(k.Hash, k.Key)
	if r != 0 && !t.sealed {
		t.lastHash, t.lastRecord = k.Hash, r
	}
	return r
}

// findOrAddRecord returns the record of a key, which the caller is about to write. A new record
// has capacity for a value of n bytes. The key counts as an entry from then on, so the caller must
// set a kind.
func (t *hashTable) findOrAddRecord(k *run.LookupKey, n int) (ref, header) {
	r := t.findRecord(k)
	if r == 0 {
		if int64(len(k.Key))+int64(n) > MaxEntryBytes {
			n = 0
		}
		r = t.newRecord(k.Key, n)
		t.keys.insert(k.Hash, r)
		t.lastHash, t.lastRecord = k.Hash, r
	}
	h := t.header(r)
	if h.kind() == 0 {
		t.entries++
		if k.PrefixLen < len(k.Key) {
			t.insertSuffix(t.findOrAddNode(k), r, k.PrefixLen)
		}
	}
	return r, h
}

// Set implements Table.
func (t *hashTable) Set(k *run.LookupKey, value []byte) {
	r, h := t.findOrAddRecord(k, len(value))
	t.setValue(r, h, run.Set, value)
}

// Delete implements Table.
func (t *hashTable) Delete(k *run.LookupKey) {
	r, h := t.findOrAddRecord(k, 0)
	t.clearValue(r, h, run.Delete)
}

// Append implements Table.
func (t *hashTable) Append(k *run.LookupKey, value []byte) {
	r, h := t.findOrAddRecord(k, len(value))
	if h.kind().HasValue() {
		t.appendValue(r, h, value)
	} else {
		t.setValue(r, h, h.kind().Then(run.Append), value)
	}
}

// DeletePrefix implements Table.
func (t *hashTable) DeletePrefix(k *run.LookupKey) {
	if r := t.findRecord(k); r != 0 {
		t.dropRecord(r)
	}
	n := t.findOrAddNode(k)
	if root := t.root(n); root != 0 {
		t.freeTree(root, t.dropRecord)
		t.setRoot(n, 0)
		t.countChange(n)
	}
	if !t.hasTombstone(n) {
		t.store(n, t.load(n)|tombstoneBit)
		t.tombstones++
	}
}

// dropRecord removes an entry from the table. Its record stays, with kind 0.
func (t *hashTable) dropRecord(r ref) {
	if h := t.header(r); h.kind() != 0 {
		t.clearValue(r, h, 0)
		t.entries--
	}
}

// DeleteRange implements Table.
func (t *hashTable) DeleteRange(r run.Range) { t.ranges.Add(r) }

// Get implements Table.
func (t *hashTable) Get(k *run.LookupKey, l *run.Lookup) (last bool) {
	if r := t.findRecord(k); r != 0 && t.header(r).kind() != 0 && t.addTo(r, l) {
		return true
	}
	return t.tombstones > 0 && t.prefixHidden(k) || t.ranges.Covers(k.Key)
}

func (t *hashTable) prefixHidden(k *run.LookupKey) bool {
	n := t.findNode(k)
	return n != 0 && t.hasTombstone(n)
}

// MayHold implements Table.
func (t *hashTable) MayHold(k *run.LookupKey) bool {
	if r := t.findRecord(k); r != 0 && t.header(r).kind() != 0 {
		return true
	}
	if k.PrefixLen < len(k.Key) {
		return false
	}
	n := t.findNode(k)
	return n != 0 && t.root(n) != 0
}

// Hides implements Table.
func (t *hashTable) Hides(k *run.LookupKey) bool {
	return t.tombstones > 0 && t.prefixHidden(k) || t.ranges.CoversPrefix(k.Prefix())
}

// Ranges implements Table.
func (t *hashTable) Ranges() run.Ranges { return t.ranges }

// Len implements Table.
func (t *hashTable) Len() int { return t.entries + t.tombstones + len(t.ranges) }

// Bytes implements Table.
func (t *hashTable) Bytes() int64 { return t.takenBytes() + t.sortedBytes.Load() }

// Seal implements Table.
func (t *hashTable) Seal() { t.sealed = true }

// Close implements Table.
func (t *hashTable) Close() {
	t.sorted.free(t.budget)
	t.sorted, t.lastRecord, t.lastNode = nil, 0, 0
	t.sortedBytes.Store(0)
	t.keys, t.prefixes = directory{arena: &t.arena}, directory{arena: &t.arena}
	t.freeSlabs()
}
