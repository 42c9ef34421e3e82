// Package btreetable is a memtable on a B-tree of package github.com/google/btree. Its entries are
// in order from the first write on, on Go's heap. It is as simple as a memtable can be: a
// reference for tests, and a baseline for benchmarks of package memtable.
package btreetable

import (
	"slices"
	"strings"

	"github.com/google/btree"

	"github.com/weirstate/weir/memtable"
	"github.com/weirstate/weir/run"
)

// degree is the degree of the B-tree: its nodes have up to 63 entries.
const degree = 32

// entryBytes is approximately the memory of an entry without its key and value.
const entryBytes = 96

// table implements memtable.Table. Its memory is on Go's heap: Bytes counts it, the budget does not.
type table struct {
	entries *btree.BTreeG[*entry]
	ranges  run.Ranges
	bytes   int64
}

// entry is an entry of the run. A prefix tombstone is a separate entry.
type entry struct {
	key       string
	prefixLen int
	kind      run.Kind
	value     []byte
}

// less orders entries by key, a prefix tombstone before the entry of the same key.
func less(a, b *entry) bool {
	if c := strings.Compare(a.key, b.key); c != 0 {
		return c < 0
	}
	return a.kind == run.DeletePrefix && b.kind != run.DeletePrefix
}

// New returns an empty table. It ignores the budget.
func New(memtable.Options) memtable.Table {
	return &table{entries: btree.NewG(degree, less)}
}

// write applies a Set, Delete or Append.
func (t *table) write(k *run.LookupKey, op run.Kind, value []byte) {
	e, ok := t.entries.Get(&entry{key: string(k.Key)})
	if !ok {
		e = &entry{key: string(k.Key), prefixLen: k.PrefixLen}
		t.entries.ReplaceOrInsert(e)
		t.bytes += entryBytes + int64(len(k.Key))
	}
	t.bytes -= int64(cap(e.value))
	if op == run.Append && e.kind.HasValue() {
		e.value = append(e.value, value...)
	} else {
		e.value = slices.Clone(value)
	}
	t.bytes += int64(cap(e.value))
	e.kind = e.kind.Then(op)
}

// Set implements memtable.Table.
func (t *table) Set(k *run.LookupKey, value []byte) { t.write(k, run.Set, value) }

// Delete implements memtable.Table.
func (t *table) Delete(k *run.LookupKey) { t.write(k, run.Delete, nil) }

// Append implements memtable.Table.
func (t *table) Append(k *run.LookupKey, value []byte) { t.write(k, run.Append, value) }

// DeletePrefix implements memtable.Table.
func (t *table) DeletePrefix(k *run.LookupKey) {
	it := t.Live(k, nil).(*iterator)
	for it.Seek(nil) {
		e, _ := t.entries.Delete(it.at)
		t.bytes -= entryBytes + int64(len(e.key)+cap(e.value))
	}
	t.entries.ReplaceOrInsert(&entry{key: string(k.Key), prefixLen: k.PrefixLen, kind: run.DeletePrefix})
	t.bytes += entryBytes + int64(len(k.Key))
}

// DeleteRange implements memtable.Table.
func (t *table) DeleteRange(r run.Range) { t.ranges.Add(r) }

// Get implements memtable.Table.
func (t *table) Get(k *run.LookupKey, l *run.Lookup) (last bool) {
	e, ok := t.entries.Get(&entry{key: string(k.Key)})
	if ok && l.Add(e.kind, run.Value{Bytes: e.value}) {
		return true
	}
	return t.prefixHidden(k) || t.ranges.Covers(k.Key)
}

func (t *table) prefixHidden(k *run.LookupKey) bool {
	return t.entries.Has(&entry{key: string(k.Prefix()), kind: run.DeletePrefix})
}

// MayHold implements memtable.Table.
func (t *table) MayHold(k *run.LookupKey) (may bool) {
	key := string(k.Key)
	t.entries.AscendGreaterOrEqual(&entry{key: key}, func(e *entry) bool {
		may = strings.HasPrefix(e.key, key)
		return false
	})
	return may
}

// Hides implements memtable.Table.
func (t *table) Hides(k *run.LookupKey) bool {
	return t.prefixHidden(k) || t.ranges.CoversPrefix(k.Prefix())
}

// Ranges implements memtable.Table.
func (t *table) Ranges() run.Ranges { return t.ranges }

// Live implements memtable.Table.
func (t *table) Live(k *run.LookupKey, _ run.Iterator) run.BackwardIterator {
	return &iterator{table: t, prefix: string(k.Prefix()), onlyPrefix: true}
}

// Len implements memtable.Table.
func (t *table) Len() int { return t.entries.Len() + len(t.ranges) }

// Bytes implements memtable.Table.
func (t *table) Bytes() int64 { return t.bytes }

// Seal implements memtable.Table.
func (t *table) Seal() {}

// Iterator implements memtable.Table.
func (t *table) Iterator() run.BackwardIterator { return &iterator{table: t} }

// Close implements memtable.Table.
func (t *table) Close() {
	t.entries.Clear(false)
	t.bytes = 0
}
