package lsm

import (
	"bytes"
	"slices"
	"sort"

	"github.com/weirstate/weir/internal/run"
)

// gaps remembers where the keys of a prefix have no values, so that walks do not step
// over the same deleted keys again and again. A map that is used as a queue is full of
// them: removals leave an entry each, in the memtable and in tables, until a compaction
// has joined it with what it hides.
//
//	keys of a prefix    d d d d d d d L d d L d d d d d d d d    d deleted, L with a value
//	gaps                [---- 7 ----]         [----- 8 -----]
//
// Walks find gaps: whoever has stepped over leastDead entries in a row takes them down,
// and whoever comes to a gap goes on behind it, upwards or downwards. Deletes find them
// as well, so that the first walk after many of them is as short as any other: now and
// then one looks around at its key (see explore). Writes of values cut gaps in two.
//
// A gap says something about the store as its owner sees it now, and nothing about runs:
// seals, flushes, compactions and filters leave the keys that have values as they are, or
// take some away, so gaps stay. Views and scans, which see an earlier moment, do not use
// them.
//
// Invariant: no key of a prefix from the first of a gap to its end has a value.
//
// Memory is bounded: what is forgotten costs a long walk, which finds it again.
//
// Thread safety: the lock of the store.
type gaps struct {
	budget *Budget
	of     map[uint64]*prefixGaps // by hash of the prefix
	bytes  int64                  // about what they take
	least  int                    // leastDead
	every  uint8                  // exploreEvery
	rates  [256]rate              // by hash of the prefix
}

// prefixGaps are those of one prefix.
type prefixGaps struct {
	prefix []byte
	all    []gap // ascending, apart
	bytes  int64
}

// gap is from first, which was deleted, to to, excluded. Both are as narrow as it was
// found, so that puts beside what was deleted do not cut it.
type gap struct {
	first, to []byte
	dead      int // entries in it, about
}

const (
	// leastDead is how many entries are worth a gap: stepping over them costs as much
	// as a seek, about 2 µs.
	leastDead = 16
	// maxGapsOfPrefix bounds the time that one more takes. With more places than these
	// between values, only the longest are remembered.
	maxGapsOfPrefix = 1024
	// gapsAtLeast is how many gaps the memory for gaps has room for: one of longer keys is
	// not worth the others that it would drive out.
	gapsAtLeast = 16
	// gapShare is which part of the budget gaps of all its stores may take, one to so
	// many, beside ownGapBytes of each store.
	gapShare    = 64
	ownGapBytes = 4 << 10
	gapBytes    = 64 // that a gap takes beside its keys, and a prefix besides its own
)

func newGaps(b *Budget) gaps {
	return gaps{budget: b, of: make(map[uint64]*prefixGaps), least: leastDead, every: exploreEvery}
}

// ofPrefix returns the gaps of the prefix of a probe, nil if there are none.
func (g *gaps) ofPrefix(p *run.Probe) *prefixGaps {
	if len(g.of) == 0 { // nearly always
		return nil
	}
	found := g.of[p.PrefixHash]
	if found == nil || !bytes.Equal(found.prefix, p.Prefix()) {
		return nil
	}
	return found
}

// find returns the place of the gap that has a key; ok is false if none has.
func (p *prefixGaps) find(key []byte) (at int, ok bool) {
	at = sort.Search(len(p.all), func(i int) bool { return bytes.Compare(p.all[i].to, key) > 0 })
	return at, at < len(p.all) && bytes.Compare(p.all[at].first, key) <= 0
}

// around returns the gap that has a key of the prefix of a probe.
func (g *gaps) around(p *run.Probe, key []byte) (gap, bool) {
	if found := g.ofPrefix(p); found != nil {
		if at, ok := found.find(key); ok {
			return found.all[at], true
		}
	}
	return gap{}, false
}

// add takes down that no key of the prefix of a probe has a value from first to to. Gaps
// that it touches become one with it.
func (g *gaps) add(p *run.Probe, first, to []byte, dead int) {
	if int64(len(first)+len(to)) > g.maxBytes() {
		return
	}
	of := g.ofPrefix(p)
	if of == nil {
		g.forget(p.PrefixHash) // another one with the same hash
		of = &prefixGaps{prefix: bytes.Clone(p.Prefix())}
		g.of[p.PrefixHash] = of
		g.resize(of, gapBytes+int64(len(of.prefix)))
	}
	i := sort.Search(len(of.all), func(i int) bool { return bytes.Compare(of.all[i].to, first) >= 0 })
	j, one := i, gap{first, to, dead}
	for ; j < len(of.all) && bytes.Compare(of.all[j].first, to) <= 0; j++ {
		old := &of.all[j]
		one.dead += old.dead
		if bytes.Compare(old.first, one.first) < 0 {
			one.first = old.first
		}
		if bytes.Compare(old.to, one.to) > 0 {
			one.to = old.to
		}
	}
	g.replace(of, i, j, gap{bytes.Clone(one.first), bytes.Clone(one.to), one.dead})
	g.bound(p.PrefixHash, of)
}

// cut takes a key that now has a value out of the gap that has it.
func (g *gaps) cut(p *run.Probe) {
	of := g.ofPrefix(p)
	if of == nil {
		return
	}
	at, ok := of.find(p.Key)
	if !ok {
		return
	}
	old := of.all[at]
	before := int(float64(old.dead) * share(old.first, p.Key, old.to))
	parts := []gap{
		{old.first, bytes.Clone(p.Key), before},
		{append(bytes.Clone(p.Key), 0), old.to, old.dead - before},
	}
	parts = slices.DeleteFunc(parts, func(x gap) bool { return x.dead < g.least || bytes.Compare(x.first, x.to) >= 0 })
	g.replace(of, at, at+1, parts...)
	if len(of.all) == 0 {
		g.forget(p.PrefixHash)
	}
}

// share is about which part of the keys between two are below a third, by the eight bytes
// after those that all have in common.
func share(first, key, to []byte) float64 {
	common := 0
	for common < min(len(first), len(to)) && first[common] == to[common] {
		common++
	}
	from, at, end := headOf(first[common:]), headOf(key[common:]), headOf(to[common:])
	if end <= from {
		return 0.5
	}
	return float64(at-from) / float64(end-from)
}

// replace puts gaps into the place of others.
func (g *gaps) replace(of *prefixGaps, from, to int, parts ...gap) {
	change := int64(0)
	for _, old := range of.all[from:to] {
		change -= old.size()
	}
	for _, part := range parts {
		change += part.size()
	}
	of.all = slices.Replace(of.all, from, to, parts...)
	g.resize(of, change)
}

func (x *gap) size() int64 { return gapBytes + int64(len(x.first)+len(x.to)) }

func (g *gaps) resize(of *prefixGaps, change int64) {
	of.bytes += change
	g.bytes += change
	g.budget.gapBytes.Add(change)
}

// forget drops the gaps of a prefix.
func (g *gaps) forget(prefixHash uint64) {
	if of := g.of[prefixHash]; of != nil {
		g.resize(of, -of.bytes)
		delete(g.of, prefixHash)
	}
}

// clear drops all, at the end of the store.
func (g *gaps) clear() {
	for hash := range g.of {
		g.forget(hash)
	}
}

// bound forgets gaps until there are not too many: any prefixes but the one that has just
// been added to, whose hash is given, and then the shorter half of its gaps.
func (g *gaps) bound(hash uint64, of *prefixGaps) {
	for other := range g.of {
		if !g.isFull() {
			break
		}
		if other != hash {
			g.forget(other)
		}
	}
	if len(of.all) <= maxGapsOfPrefix && !g.isFull() {
		return
	}
	sizes := make([]int, len(of.all))
	for i, x := range of.all {
		sizes[i] = x.dead
	}
	slices.Sort(sizes)
	longer := slices.DeleteFunc(slices.Clone(of.all), func(x gap) bool { return x.dead < sizes[len(sizes)/2] })
	g.replace(of, 0, len(of.all), longer[:min(len(longer), len(sizes)/2)]...)
	if len(of.all) == 0 {
		g.forget(hash)
	}
}

// maxBytes is the most that the two keys of a gap may take.
func (g *gaps) maxBytes() int64 { return max(ownGapBytes, g.budget.Limit()/gapShare/gapsAtLeast) }

func (g *gaps) isFull() bool {
	return g.bytes > ownGapBytes && g.budget.gapBytes.Load() > g.budget.Limit()/gapShare
}
