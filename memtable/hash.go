package memtable

import (
	"sync"
	"sync/atomic"

	"github.com/weirstate/weir/run"
)

// hashTable is the table that a tree has if nothing else is said: records in
// slabs, found through a directory of their hashes.
type hashTable struct {
	memory
	keys       directory // records
	prefixes   directory // nodes
	entries    int
	tombstones int // of prefixes
	ranges     run.Ranges
	sealed     bool

	// The record and the node that were found last: a state is mostly read
	// before it is written, and one prefix is written many times. Not of a
	// sealed table, which has many readers.
	lastHash, lastPrefixHash uint64
	lastRecord, lastNode     ref

	sorting     sync.Once
	sorted      items
	sortedBytes atomic.Int64
	walking     sync.Mutex // over leaves that are sorted for walks after the seal
}

// NewHash returns an empty table. It takes memory with the first write.
func NewHash(o Options) Table {
	if o.Budget == nil {
		o.Budget = NewBudget(0)
	}
	t := &hashTable{memory: memory{budget: o.Budget}}
	t.keys = directory{m: &t.memory, keyFrom: headerBytes}
	t.prefixes = directory{m: &t.memory, keyFrom: nodeKey}
	return t
}

// record returns that of a key, 0 if there is none.
func (t *hashTable) record(p *run.LookupKey) ref {
	if t.lastRecord != 0 && t.lastHash == p.Hash && t.keys.holds(t.lastRecord, p.Key) {
		return t.lastRecord
	}
	r := t.keys.find(p.Hash, p.Key)
	if r != 0 && !t.sealed {
		t.lastHash, t.lastRecord = p.Hash, r
	}
	return r
}

// needRecord returns the record of a key for a write of n bytes, after which it
// has a kind.
func (t *hashTable) needRecord(p *run.LookupKey, n int) (ref, header) {
	r := t.record(p)
	if r == 0 {
		if int64(len(p.Key))+int64(n) > MaxEntryBytes {
			n = 0
		}
		r = t.newRecord(p.Key, n)
		t.keys.insert(p.Hash, r)
		t.lastHash, t.lastRecord = p.Hash, r
	}
	h := t.header(r)
	if h.kind() == 0 {
		t.entries++
		if p.PrefixLen < len(p.Key) {
			t.add(t.needNode(p), r, p.PrefixLen)
		}
	}
	return r, h
}

// Set implements Table.
func (t *hashTable) Set(p *run.LookupKey, value []byte) {
	r, h := t.needRecord(p, len(value))
	t.put(r, h, run.Set, value)
}

// Delete implements Table.
func (t *hashTable) Delete(p *run.LookupKey) {
	r, h := t.needRecord(p, 0)
	t.empty(r, h, run.Delete)
}

// Append implements Table.
func (t *hashTable) Append(p *run.LookupKey, value []byte) {
	r, h := t.needRecord(p, len(value))
	if h.kind().HasValue() {
		t.join(r, h, value)
	} else {
		t.put(r, h, h.kind().Then(run.Append), value)
	}
}

// DeletePrefix implements Table.
func (t *hashTable) DeletePrefix(p *run.LookupKey) {
	if r := t.record(p); r != 0 {
		t.forget(r)
	}
	n := t.needNode(p)
	if root := t.root(n); root != 0 {
		t.takeApart(root, t.forget)
		t.setRoot(n, 0)
		t.changed(n)
	}
	if !t.hasTombstone(n) {
		t.store(n, t.load(n)|tombstoneBit)
		t.tombstones++
	}
}

// forget takes the kind of a record away.
func (t *hashTable) forget(r ref) {
	if h := t.header(r); h.kind() != 0 {
		t.empty(r, h, 0)
		t.entries--
	}
}

// DeleteRange implements Table.
func (t *hashTable) DeleteRange(r run.Range) { t.ranges.Add(r) }

// Get implements Table.
func (t *hashTable) Get(p *run.LookupKey, f *run.Lookup) (last bool) {
	if r := t.record(p); r != 0 && t.header(r).kind() != 0 && t.addTo(r, f) {
		return true
	}
	return t.tombstones > 0 && t.prefixHidden(p) || t.ranges.Covers(p.Key)
}

func (t *hashTable) prefixHidden(p *run.LookupKey) bool {
	n := t.node(p)
	return n != 0 && t.hasTombstone(n)
}

// Hides implements Table.
func (t *hashTable) Hides(p *run.LookupKey) bool {
	return t.tombstones > 0 && t.prefixHidden(p) || t.ranges.CoversPrefix(p.Prefix())
}

// Ranges implements Table.
func (t *hashTable) Ranges() run.Ranges { return t.ranges }

// Len implements Table.
func (t *hashTable) Len() int { return t.entries + t.tombstones + len(t.ranges) }

// Bytes implements Table.
func (t *hashTable) Bytes() int64 { return t.bytes() + t.sortedBytes.Load() }

// Seal implements Table.
func (t *hashTable) Seal() { t.sealed = true }

// Close implements Table.
func (t *hashTable) Close() {
	t.sorted.free(t.budget)
	t.sorted, t.lastRecord, t.lastNode = nil, 0, 0
	t.sortedBytes.Store(0)
	t.keys, t.prefixes = directory{m: &t.memory}, directory{m: &t.memory}
	t.release()
}
