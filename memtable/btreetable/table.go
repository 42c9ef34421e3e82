// Package btreetable is a memtable on github.com/google/btree: entries in a tree
// of Go's heap, in order from the first write on. It is as simple as a table gets,
// and shows what a room that is faster has to beat; it may not know what the
// other one looks like inside.
package btreetable

import (
	"slices"
	"strings"

	"github.com/google/btree"

	"github.com/weirstate/weir/memtable"
	"github.com/weirstate/weir/run"
)

// degree is that of the tree: nodes of up to 63 entries.
const degree = 32

// entryBytes is about what an entry costs beside its key and value.
const entryBytes = 96

// table implements memtable.Table. Its memory is Go's: it is counted, and the
// budget does not know of it.
type table struct {
	entries *btree.BTreeG[*entry]
	ranges  run.Ranges
	bytes   int64
}

// entry is one of the run; a prefix tombstone is an entry of its own.
type entry struct {
	key       string
	prefixLen int
	kind      run.Kind
	value     []byte
}

// less is the order of entries: by key, a prefix tombstone first.
func less(a, b *entry) bool {
	if c := strings.Compare(a.key, b.key); c != 0 {
		return c < 0
	}
	return a.kind == run.DeletePrefix && b.kind != run.DeletePrefix
}

// New returns an empty table. It takes no memory of the budget.
func New(memtable.Options) memtable.Table {
	return &table{entries: btree.NewG(degree, less)}
}

// write does an operation that leaves an entry.
func (t *table) write(p *run.LookupKey, op run.Kind, value []byte) {
	e, ok := t.entries.Get(&entry{key: string(p.Key)})
	if !ok {
		e = &entry{key: string(p.Key), prefixLen: p.PrefixLen}
		t.entries.ReplaceOrInsert(e)
		t.bytes += entryBytes + int64(len(p.Key))
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
func (t *table) Set(p *run.LookupKey, value []byte) { t.write(p, run.Set, value) }

// Delete implements memtable.Table.
func (t *table) Delete(p *run.LookupKey) { t.write(p, run.Delete, nil) }

// Append implements memtable.Table.
func (t *table) Append(p *run.LookupKey, value []byte) { t.write(p, run.Append, value) }

// DeletePrefix implements memtable.Table.
func (t *table) DeletePrefix(p *run.LookupKey) {
	w := t.Live(p, nil).(*walk)
	for w.Seek(nil) {
		e, _ := t.entries.Delete(w.at)
		t.bytes -= entryBytes + int64(len(e.key)+cap(e.value))
	}
	t.entries.ReplaceOrInsert(&entry{key: string(p.Key), prefixLen: p.PrefixLen, kind: run.DeletePrefix})
	t.bytes += entryBytes + int64(len(p.Key))
}

// DeleteRange implements memtable.Table.
func (t *table) DeleteRange(r run.Range) { t.ranges.Add(r) }

// Get implements memtable.Table.
func (t *table) Get(p *run.LookupKey, f *run.Lookup) (last bool) {
	e, ok := t.entries.Get(&entry{key: string(p.Key)})
	if ok && f.Add(e.kind, run.Value{Bytes: e.value}) {
		return true
	}
	return t.prefixHidden(p) || t.ranges.Covers(p.Key)
}

func (t *table) prefixHidden(p *run.LookupKey) bool {
	return t.entries.Has(&entry{key: string(p.Prefix()), kind: run.DeletePrefix})
}

// Hides implements memtable.Table.
func (t *table) Hides(p *run.LookupKey) bool {
	return t.prefixHidden(p) || t.ranges.CoversPrefix(p.Prefix())
}

// Ranges implements memtable.Table.
func (t *table) Ranges() run.Ranges { return t.ranges }

// Live implements memtable.Table.
func (t *table) Live(p *run.LookupKey, _ run.Iterator) run.BackwardIterator {
	return &walk{t: t, prefix: string(p.Prefix()), one: true}
}

// Len implements memtable.Table.
func (t *table) Len() int { return t.entries.Len() + len(t.ranges) }

// Bytes implements memtable.Table.
func (t *table) Bytes() int64 { return t.bytes }

// Seal implements memtable.Table.
func (t *table) Seal() {}

// Iterator implements memtable.Table.
func (t *table) Iterator() run.BackwardIterator { return &walk{t: t} }

// Close implements memtable.Table.
func (t *table) Close() {
	t.entries.Clear(false)
	t.bytes = 0
}
