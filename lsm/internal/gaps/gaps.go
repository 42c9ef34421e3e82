package gaps

import (
	"bytes"
	"slices"
	"sort"
	"sync/atomic"

	"github.com/weirstate/weir/run"
)

// Gaps remembers where the keys of a prefix have no values, so that walks do not step
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
// then one looks around at its key (see IsDue). Writes of values cut gaps in two.
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
type Gaps struct {
	shared       *atomic.Int64          // bytes of the gaps of all stores that share the limit
	limit        int64                  // of shared, above GapBytesPerStore of each store
	ByPrefix     map[uint64]*prefixGaps // by hash of the prefix
	Bytes        int64                  // about what they take
	MinDead      int                    // leastDead
	ExploreEvery uint8                  // exploreEvery
	rates        [256]rate              // by hash of the prefix
}

// prefixGaps are those of one prefix.
type prefixGaps struct {
	Prefix []byte
	Gaps   []Gap // ascending, apart
	Bytes  int64
}

// Gap is from first, which was deleted, to to, excluded. Both are as narrow as it was
// found, so that puts beside what was deleted do not cut it.
type Gap struct {
	First, To []byte
	dead      int // entries in it, about
}

const (
	// leastDead is how many entries are worth a gap: stepping over them costs as much
	// as a seek, about 2 µs.
	leastDead = 16
	// MaxGapsOfPrefix bounds the time that one more takes. With more places than these
	// between values, only the longest are remembered.
	MaxGapsOfPrefix = 1024
	// gapsAtLeast is how many gaps the memory for gaps has room for: one of longer keys is
	// not worth the others that it would drive out.
	gapsAtLeast = 16
	// GapBytesPerStore is what the gaps of each store may take, beside what all may together.
	GapBytesPerStore = 4 << 10
	gapBytes         = 64 // that a gap takes beside its keys, and a prefix besides its own
)

// New returns gaps of stores that together may take so many bytes.
func New(shared *atomic.Int64, limit int64) Gaps {
	return Gaps{shared: shared, limit: limit, ByPrefix: make(map[uint64]*prefixGaps), MinDead: leastDead, ExploreEvery: exploreEvery}
}

// ofPrefix returns the gaps of the prefix of a lookup key, nil if it has none.
func (g *Gaps) ofPrefix(p *run.LookupKey) *prefixGaps {
	if len(g.ByPrefix) == 0 { // nearly always
		return nil
	}
	found := g.ByPrefix[p.PrefixHash]
	if found == nil || !bytes.Equal(found.Prefix, p.Prefix()) {
		return nil
	}
	return found
}

// find returns the place of the gap that has a key; ok is false if none has.
func (p *prefixGaps) find(key []byte) (at int, ok bool) {
	at = sort.Search(len(p.Gaps), func(i int) bool { return bytes.Compare(p.Gaps[i].To, key) > 0 })
	return at, at < len(p.Gaps) && bytes.Compare(p.Gaps[at].First, key) <= 0
}

// Find returns the gap that has a key of the prefix of a lookup key.
func (g *Gaps) Find(p *run.LookupKey, key []byte) (Gap, bool) {
	if found := g.ofPrefix(p); found != nil {
		if at, ok := found.find(key); ok {
			return found.Gaps[at], true
		}
	}
	return Gap{}, false
}

// Add takes down that no key of the prefix of a lookup key has a value from first to to. Gaps
// that it touches become one with it. It reports whether the gap is remembered: there is
// no room for one of keys that are too long, nor for a small one if all others are longer.
func (g *Gaps) Add(p *run.LookupKey, first, to []byte, dead int) bool {
	if !g.Fits(first, to) {
		return false
	}
	of := g.ofPrefix(p)
	if of == nil {
		g.forget(p.PrefixHash) // another one with the same hash
		of = &prefixGaps{Prefix: bytes.Clone(p.Prefix())}
		g.ByPrefix[p.PrefixHash] = of
		g.resize(of, gapBytes+int64(len(of.Prefix)))
	}
	i := sort.Search(len(of.Gaps), func(i int) bool { return bytes.Compare(of.Gaps[i].To, first) >= 0 })
	j, one := i, Gap{first, to, dead}
	for ; j < len(of.Gaps) && bytes.Compare(of.Gaps[j].First, to) <= 0; j++ {
		old := &of.Gaps[j]
		one.dead += old.dead
		if bytes.Compare(old.First, one.First) < 0 {
			one.First = old.First
		}
		if bytes.Compare(old.To, one.To) > 0 {
			one.To = old.To
		}
	}
	g.replace(of, i, j, Gap{bytes.Clone(one.First), bytes.Clone(one.To), one.dead})
	g.bound(p.PrefixHash, of)
	_, remembered := g.Find(p, first)
	return remembered
}

// Cut takes a key that now has a value out of the gap that has it.
func (g *Gaps) Cut(p *run.LookupKey) {
	of := g.ofPrefix(p)
	if of == nil {
		return
	}
	at, ok := of.find(p.Key)
	if !ok {
		return
	}
	if 2*int64(len(p.Key)) > g.MaxGapBytes() { // parts that end at the key are not worth their memory
		g.replace(of, at, at+1)
		if len(of.Gaps) == 0 {
			g.forget(p.PrefixHash)
		}
		return
	}
	old := of.Gaps[at]
	before := int(float64(old.dead) * share(old.First, p.Key, old.To))
	parts := []Gap{
		{old.First, bytes.Clone(p.Key), before},
		{append(bytes.Clone(p.Key), 0), old.To, old.dead - before},
	}
	parts = slices.DeleteFunc(parts, func(x Gap) bool { return x.dead < g.MinDead || bytes.Compare(x.First, x.To) >= 0 })
	g.replace(of, at, at+1, parts...)
	if len(of.Gaps) == 0 {
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
	from, at, end := run.Head(first[common:]), run.Head(key[common:]), run.Head(to[common:])
	if end <= from {
		return 0.5
	}
	return float64(at-from) / float64(end-from)
}

// replace puts gaps into the place of others.
func (g *Gaps) replace(of *prefixGaps, from, to int, parts ...Gap) {
	change := int64(0)
	for _, old := range of.Gaps[from:to] {
		change -= old.size()
	}
	for _, part := range parts {
		change += part.size()
	}
	of.Gaps = slices.Replace(of.Gaps, from, to, parts...)
	g.resize(of, change)
}

func (x *Gap) size() int64 { return gapBytes + int64(len(x.First)+len(x.To)) }

func (g *Gaps) resize(of *prefixGaps, change int64) {
	of.Bytes += change
	g.Bytes += change
	g.shared.Add(change)
}

// ForgetPrefix drops the gaps of the prefix of a lookup key.
func (g *Gaps) ForgetPrefix(p *run.LookupKey) {
	if g.ofPrefix(p) != nil {
		g.forget(p.PrefixHash)
	}
}

// forget drops the gaps of a prefix.
func (g *Gaps) forget(prefixHash uint64) {
	if of := g.ByPrefix[prefixHash]; of != nil {
		g.resize(of, -of.Bytes)
		delete(g.ByPrefix, prefixHash)
	}
}

// Clear drops all, at the end of the store.
func (g *Gaps) Clear() {
	for hash := range g.ByPrefix {
		g.forget(hash)
	}
}

// bound forgets gaps until there are not too many: any prefixes but the one that has just
// been added to, whose hash is given, and then the shorter half of its gaps.
func (g *Gaps) bound(hash uint64, of *prefixGaps) {
	for other := range g.ByPrefix {
		if !g.isFull() {
			break
		}
		if other != hash {
			g.forget(other)
		}
	}
	if len(of.Gaps) <= MaxGapsOfPrefix && !g.isFull() {
		return
	}
	sizes := make([]int, len(of.Gaps))
	for i, x := range of.Gaps {
		sizes[i] = x.dead
	}
	slices.Sort(sizes)
	longer := slices.DeleteFunc(slices.Clone(of.Gaps), func(x Gap) bool { return x.dead < sizes[len(sizes)/2] })
	g.replace(of, 0, len(of.Gaps), longer[:min(len(longer), len(sizes)/2)]...)
	if len(of.Gaps) == 0 {
		g.forget(hash)
	}
}

// Fits reports whether a gap between two keys is short enough to be remembered.
func (g *Gaps) Fits(first, to []byte) bool { return int64(len(first)+len(to)) <= g.MaxGapBytes() }

// MaxGapBytes returns the most that the two keys of a gap may take.
func (g *Gaps) MaxGapBytes() int64 { return max(GapBytesPerStore, g.limit/gapsAtLeast) }

func (g *Gaps) isFull() bool {
	return g.Bytes > GapBytesPerStore && g.shared.Load() > g.limit
}
