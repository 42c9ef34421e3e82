package memtable

import (
	"bytes"
	"cmp"
	"slices"
	"sort"
	"sync"

	"github.com/weirstate/weir/internal/run"
	"github.com/weirstate/weir/internal/slab"
)

// Hash is the table that a tree has if nothing else is said.
type Hash struct {
	budget  *slab.Budget
	slabs   [][]byte
	written int64
	entries map[string]*entry
	group   map[string]*group
	ranges  run.Ranges
	sorted  []*entry
	once    sync.Once
	deleted int
}

type entry struct {
	key   string
	kind  run.Kind
	value []byte
}

type group struct {
	deleted bool
	sorted  []*entry
}

// NewHash returns an empty table.
func NewHash(o Options) Table {
	return &Hash{
		budget:  cmp.Or(o.Budget, slab.NewBudget(0)),
		entries: map[string]*entry{},
		group:   map[string]*group{},
	}
}

func (h *Hash) search(g *group, key []byte) int {
	return sort.Search(len(g.sorted), func(i int) bool { return g.sorted[i].key >= string(key) })
}

func (h *Hash) charge(n int) {
	for h.written += int64(n) + 64; h.written > int64(len(h.slabs))*slab.Bytes; {
		h.slabs = append(h.slabs, h.budget.Get())
	}
}

func (h *Hash) write(p *run.Probe, op run.Kind, value []byte) {
	h.charge(len(p.Key) + len(value))
	e := h.entries[string(p.Key)]
	if e == nil {
		e = &entry{key: string(p.Key)}
		h.entries[e.key] = e
		g := h.groupOf(p)
		g.sorted = slices.Insert(g.sorted, h.search(g, p.Key), e)
	}
	if op == run.Append && e.kind.HasValue() {
		e.value = append(e.value, value...)
	} else {
		e.value = slices.Clone(value)
	}
	e.kind = e.kind.Then(op)
}

func (h *Hash) groupOf(p *run.Probe) *group {
	g := h.group[string(p.Prefix())]
	if g == nil {
		g = &group{}
		h.group[string(p.Prefix())] = g
	}
	return g
}

func (h *Hash) Set(p *run.Probe, value []byte)    { h.write(p, run.Set, value) }
func (h *Hash) Delete(p *run.Probe)               { h.write(p, run.Delete, nil) }
func (h *Hash) Append(p *run.Probe, value []byte) { h.write(p, run.Append, value) }

func (h *Hash) DeletePrefix(p *run.Probe) {
	g := h.groupOf(p)
	for _, e := range g.sorted {
		delete(h.entries, e.key)
	}
	g.sorted = nil
	if !g.deleted {
		h.deleted++
		h.charge(len(p.Key))
	}
	g.deleted = true
}

func (h *Hash) DeleteRange(r run.Range) {
	h.charge(len(r.From) + len(r.To))
	h.ranges.Add(r)
}

func (h *Hash) Get(p *run.Probe, f *run.Finding) (last bool) {
	if e := h.entries[string(p.Key)]; e != nil && f.Add(e.kind, run.Value{Bytes: e.value}) {
		return true
	}
	g := h.group[string(p.Prefix())]
	return g != nil && g.deleted || h.ranges.Covers(p.Key)
}

func (h *Hash) Hides(p *run.Probe) bool {
	g := h.group[string(p.Prefix())]
	return g != nil && g.deleted || coversPrefix(h.ranges, p.Prefix())
}

// coversPrefix says whether all keys with a prefix lie in one of the ranges.
func coversPrefix(s run.Ranges, prefix []byte) bool {
	i := sort.Search(len(s), func(i int) bool { return !s[i].Before(prefix) })
	return i < len(s) && s[i].Contains(prefix) && (s[i].To == nil || !bytes.HasPrefix(s[i].To, prefix))
}

func (h *Hash) Ranges() run.Ranges { return h.ranges }
func (h *Hash) Len() int           { return len(h.entries) + h.deleted + len(h.ranges) }
func (h *Hash) Bytes() int64       { return int64(len(h.slabs)) * slab.Bytes }
func (h *Hash) Seal()              {}

func (h *Hash) Release() {
	for _, s := range h.slabs {
		h.budget.Put(s)
	}
	h.slabs = nil
}

// walk is an iterator over what next finds after a position.
type walk struct {
	h       *Hash
	prefix  []byte
	sorted  []*entry // of a sealed table
	started bool
	at      []byte
	behind  bool // the tombstone at the position has been given
	equal   bool // and the entry
	entry   run.Entry
}

func (h *Hash) Live(p *run.Probe, _ run.Iterator) run.Iterator {
	return &walk{h: h, prefix: slices.Clone(p.Prefix())}
}

func (w *walk) Seek(key []byte) bool {
	w.started, w.at, w.behind, w.equal = true, slices.Clone(key), false, false
	return w.Next()
}

func (w *walk) Next() bool {
	g := w.h.group[string(w.prefix)]
	if g == nil {
		return false
	}
	c := bytes.Compare(w.prefix, w.at)
	if g.deleted && (!w.started || c > 0 || c == 0 && !w.behind) {
		return w.give(run.Entry{Key: w.prefix, Kind: run.DeletePrefix}, false)
	}
	i := 0
	if w.started {
		i = w.h.search(g, w.at)
		if i < len(g.sorted) && w.equal && g.sorted[i].key == string(w.at) {
			i++
		}
	}
	if i == len(g.sorted) {
		return false
	}
	e := g.sorted[i]
	return w.give(run.Entry{Key: []byte(e.key), Kind: e.kind, Value: run.Value{Bytes: e.value}}, true)
}

func (w *walk) give(e run.Entry, equal bool) bool {
	w.started, w.at, w.behind, w.equal = true, slices.Clone(e.Key), true, equal
	w.entry = e
	return true
}

func (w *walk) Entry() *run.Entry { return &w.entry }
func (w *walk) Err() error        { return nil }
func (w *walk) Close() error      { return nil }

type all struct {
	sorted []*entry
	i      int
	entry  run.Entry
}

func (h *Hash) Iterator() run.Iterator {
	h.once.Do(func() {
		for _, e := range h.entries {
			h.sorted = append(h.sorted, e)
		}
		for key, g := range h.group {
			if g.deleted {
				h.sorted = append(h.sorted, &entry{key: key, kind: run.DeletePrefix})
			}
		}
		slices.SortFunc(h.sorted, func(a, b *entry) int {
			return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(b.kind, a.kind))
		})
	})
	return &all{sorted: h.sorted, i: -1}
}

func (a *all) Seek(key []byte) bool {
	a.i = sort.Search(len(a.sorted), func(i int) bool { return a.sorted[i].key >= string(key) }) - 1
	return a.Next()
}

func (a *all) Next() bool {
	a.i = min(a.i+1, len(a.sorted))
	if a.i == len(a.sorted) {
		return false
	}
	e := a.sorted[a.i]
	a.entry = run.Entry{Key: []byte(e.key), Kind: e.kind, Value: run.Value{Bytes: e.value}}
	return true
}

func (a *all) Entry() *run.Entry { return &a.entry }
func (a *all) Err() error        { return nil }
func (a *all) Close() error      { return nil }
