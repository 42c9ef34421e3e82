// Package skiplist is a memtable on a skip list, like the one of LevelDB. Its memory is on Go's
// heap, and counts against the budget of the tree.
package skiplist

import (
	"bytes"
	"cmp"
	"math/rand/v2"
	"slices"

	"github.com/weirstate/weir/memtable"
	"github.com/weirstate/weir/run"
)

const (
	maxHeight = 16
	// nodeBytes is approximately the memory of a node without its key and value.
	nodeBytes = 112
)

// table implements memtable.Table.
type table struct {
	head   node
	length int
	ranges run.Ranges

	budget      *memtable.Budget
	bytes       int64            // of nodes, keys and values
	takenBytes  int64            // counted by the budget, a multiple of GrowthBytes
	predecessor [maxHeight]*node // scratch for find
}

// node is an entry of the run. A prefix tombstone is a separate node.
type node struct {
	key       []byte
	prefixLen int
	kind      run.Kind
	value     []byte
	next      []*node
}

// New returns an empty table.
func New(o memtable.Options) memtable.Table {
	if o.Budget == nil {
		o.Budget = memtable.NewBudget(0)
	}
	return &table{head: node{next: make([]*node, maxHeight)}, budget: o.Budget}
}

// compare orders entries by key, the prefix tombstone before the entry of the same key.
func compare(n *node, key []byte, tombstone bool) int {
	rank := func(tombstone bool) int {
		if tombstone {
			return 0
		}
		return 1
	}
	return cmp.Or(bytes.Compare(n.key, key), cmp.Compare(rank(n.kind == run.DeletePrefix), rank(tombstone)))
}

// find returns the first node at or above a position: a key, and whether its tombstone or its entry
// is meant. If before is not nil, find sets it to the last node below the position on each level.
func (t *table) find(key []byte, tombstone bool, before *[maxHeight]*node) *node {
	at := &t.head
	for level := maxHeight - 1; level >= 0; level-- {
		for next := at.next[level]; next != nil && compare(next, key, tombstone) < 0; next = at.next[level] {
			at = next
		}
		if before != nil {
			before[level] = at
		}
	}
	return at.next[0]
}

// findOrAdd returns the node of an entry or tombstone, and adds it if the table has none.
func (t *table) findOrAdd(k *run.LookupKey, tombstone bool) *node {
	n := t.find(k.Key, tombstone, &t.predecessor)
	if n != nil && compare(n, k.Key, tombstone) == 0 {
		return n
	}
	height := 1
	for height < maxHeight && rand.Uint32()%4 == 0 {
		height++
	}
	// The key of a node is never nil, because nil is no bound for last.
	n = &node{key: append([]byte{}, k.Key...), prefixLen: k.PrefixLen, next: make([]*node, height)}
	if tombstone {
		n.kind = run.DeletePrefix
	}
	for level := range n.next {
		before := t.predecessor[level]
		n.next[level], before.next[level] = before.next[level], n
	}
	t.length++
	t.count(nodeBytes + int64(len(n.key)))
	return n
}

// count adds bytes to the size of the table, and to the budget in steps of GrowthBytes.
func (t *table) count(bytes int64) {
	t.bytes += bytes
	for t.takenBytes < t.bytes {
		t.budget.Take(memtable.GrowthBytes)
		t.takenBytes += memtable.GrowthBytes
	}
}

// write applies a Set, Delete or Append.
func (t *table) write(k *run.LookupKey, op run.Kind, value []byte) {
	n := t.findOrAdd(k, false)
	t.bytes -= int64(cap(n.value))
	if op == run.Append && n.kind.HasValue() {
		n.value = append(n.value, value...)
	} else {
		n.value = slices.Clone(value)
	}
	t.count(int64(cap(n.value)))
	n.kind = n.kind.Then(op)
}

// Set implements memtable.Table.
func (t *table) Set(k *run.LookupKey, value []byte) { t.write(k, run.Set, value) }

// Delete implements memtable.Table.
func (t *table) Delete(k *run.LookupKey) { t.write(k, run.Delete, nil) }

// Append implements memtable.Table.
func (t *table) Append(k *run.LookupKey, value []byte) { t.write(k, run.Append, value) }

// DeletePrefix implements memtable.Table.
func (t *table) DeletePrefix(k *run.LookupKey) {
	for n := t.first(k.Prefix(), k.Prefix(), true); n != nil; n = t.first(k.Prefix(), k.Prefix(), true) {
		t.find(n.key, n.kind == run.DeletePrefix, &t.predecessor)
		for level := range n.next {
			t.predecessor[level].next[level] = n.next[level]
		}
		t.length--
		t.bytes -= nodeBytes + int64(len(n.key)+cap(n.value))
	}
	t.findOrAdd(k, true)
}

// first returns the first entry of a prefix at or above a position, or nil. Keys of longer prefixes
// may lie between those of the prefix.
func (t *table) first(prefix, key []byte, tombstone bool) *node {
	n := t.find(key, tombstone, nil)
	for n != nil && bytes.HasPrefix(n.key, prefix) && n.prefixLen != len(prefix) {
		n = n.next[0]
	}
	if n == nil || !bytes.HasPrefix(n.key, prefix) {
		return nil
	}
	return n
}

// DeleteRange implements memtable.Table.
func (t *table) DeleteRange(r run.Range) { t.ranges.Add(r) }

// Get implements memtable.Table.
func (t *table) Get(k *run.LookupKey, l *run.Lookup) (last bool) {
	n := t.find(k.Key, false, nil)
	if n != nil && bytes.Equal(n.key, k.Key) && l.Add(n.kind, run.Value{Bytes: n.value}) {
		return true
	}
	return t.hasTombstone(k) || t.ranges.Covers(k.Key)
}

func (t *table) hasTombstone(k *run.LookupKey) bool {
	n := t.find(k.Prefix(), true, nil)
	return n != nil && n.kind == run.DeletePrefix && bytes.Equal(n.key, k.Prefix())
}

// MayHold implements memtable.Table.
func (t *table) MayHold(k *run.LookupKey) bool {
	n := t.find(k.Key, false, nil)
	return n != nil && bytes.HasPrefix(n.key, k.Key)
}

// Hides implements memtable.Table.
func (t *table) Hides(k *run.LookupKey) bool {
	return t.hasTombstone(k) || t.ranges.CoversPrefix(k.Prefix())
}

// Ranges implements memtable.Table.
func (t *table) Ranges() run.Ranges { return t.ranges }

// Live implements memtable.Table.
func (t *table) Live(k *run.LookupKey, _ run.Iterator) run.BackwardIterator {
	return &iterator{table: t, prefix: bytes.Clone(k.Prefix()), live: true}
}

// Len implements memtable.Table.
func (t *table) Len() int { return t.length + len(t.ranges) }

// Bytes implements memtable.Table.
func (t *table) Bytes() int64 { return t.bytes }

// Seal implements memtable.Table.
func (t *table) Seal() {}

// Iterator implements memtable.Table.
func (t *table) Iterator() run.BackwardIterator { return &iterator{table: t} }

// Close implements memtable.Table.
func (t *table) Close() {
	t.budget.Give(t.takenBytes)
	*t = table{head: node{next: make([]*node, maxHeight)}, budget: t.budget}
}
