package gaps

import (
	"bytes"
	"slices"
	"sort"
	"sync/atomic"

	"github.com/weirstate/weir/run"
)

// Gaps is the set of known gaps of a store. A gap is a range of a prefix in which no key has a
// value.
//
// The problem: a map used as a queue accumulates deletes at its head. Each delete stays as an
// entry, in the memtable and in tables, until a compaction reaches the bottom. Without gaps,
// every search for the first element steps over all of them.
//
//	keys of a prefix    d d d d d d d L d d L d d d d d d d d    d deleted, L live
//	gaps                [---- 7 ----]         [----- 8 -----]    with a leastDead of 4
//	                    an iterator that reaches a gap continues at its other end
//
// Gaps are found in two ways. An iterator that stepped over at least leastDead deleted entries
// in a row adds them as a gap (Add). And one of every exploreEvery deletes (or of 1 to
// maxExploreEvery: the rate adapts) explores the entries around its key (file explore.go), so
// that the first iteration after many deletes is not slow either. A write of a value splits the
// gap that contains its key (Cut); a prefix delete makes all gaps of the prefix superfluous
// (ForgetPrefix).
//
// A gap is a statement about the current content of the store, not about runs. Seals, flushes
// and compactions do not change which keys have values, and filters only remove values, so
// gaps survive all of them. Views and scans read an older state and must not use gaps.
//
// Invariant: no key of the prefix in [First, To) has a value.
//
// Invariant: gaps of a prefix are sorted, do not overlap and do not touch.
//
// Invariant: Bytes is the sum of the Bytes of all prefixes, and is included in shared. An Add
// that leaves shared above limit drops gaps of this store (bound), down to GapBytesPerStore.
//
// Dropping a gap is always correct. It only costs one long iteration, which finds the gap
// again. So the set is bounded: MaxGapsOfPrefix for each prefix, and limit bytes for all stores
// that share a budget, plus GapBytesPerStore for each store.
//
// Cost: Find is a map lookup and a binary search, and so is a Cut that hits no gap; a write to
// a store without gaps checks one length. Add, and a Cut that hits a gap, cost O(n) for n gaps
// of the prefix, n being at most MaxGapsOfPrefix; an Add that exceeds a limit also sorts them.
//
// Thread safety: the caller holds the lock of the store.
type Gaps struct {
	shared       *atomic.Int64          // bytes used for gaps by all stores that share limit
	limit        int64                  // limit for shared; each store may exceed it up to GapBytesPerStore of its own
	ByPrefix     map[uint64]*prefixGaps // by hash of the prefix
	Bytes        int64                  // memory used by the gaps of this store, approx.
	MinDead      int                    // least number of dead entries in a gap; leastDead except in tests
	ExploreEvery uint8                  // initial number of deletes per exploration; exploreEvery except in tests
	rates        [256]rate              // by low bits of the prefix hash
}

// prefixGaps are the gaps of one prefix.
type prefixGaps struct {
	Prefix []byte
	Gaps   []Gap // sorted; neither overlapping nor touching
	Bytes  int64
}

// Gap is the range [First, To) of a prefix, in which no key has a value. Add sets First to the
// lowest deleted key that was found and To to just above the highest; neither reaches to the
// neighbouring live keys, so that writes next to the deleted keys do not split the gap. Cut
// leaves gaps that end at the new live key, or begin just above it.
type Gap struct {
	First, To []byte // bounds: First is in the gap, To is not
	dead      int    // approximate number of deleted entries in the gap
}

const (
	// leastDead is the least number of deleted entries in a gap that is kept: stepping over 16
	// entries takes as long as one seek, approx. 2 µs.
	leastDead = 16
	// MaxGapsOfPrefix bounds the time of one Add. A prefix with more gaps keeps only the
	// longest.
	MaxGapsOfPrefix = 1024
	// minGapsInLimit limits the size of a gap's two keys to 1/minGapsInLimit of the limit. A
	// larger gap is not kept, because it would displace many others.
	minGapsInLimit = 16
	// GapBytesPerStore is the memory that the gaps of one store may always use, in addition to
	// the shared limit.
	GapBytesPerStore = 4 << 10
	gapBytes         = 64 // overhead of a gap in addition to its keys, and of a prefix in addition to its bytes
)

// New returns an empty set of gaps. All stores that share `shared` may together use limit
// bytes for gaps.
func New(shared *atomic.Int64, limit int64) Gaps {
	return Gaps{shared: shared, limit: limit, ByPrefix: make(map[uint64]*prefixGaps), MinDead: leastDead, ExploreEvery: exploreEvery}
}

// ofPrefix returns the gaps of a lookup key's prefix, nil if it has none.
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

// find returns the index of the gap that contains a key. If ok is false, no gap contains it,
// and at is the index of the next gap.
func (p *prefixGaps) find(key []byte) (at int, ok bool) {
	at = sort.Search(len(p.Gaps), func(i int) bool { return bytes.Compare(p.Gaps[i].To, key) > 0 })
	return at, at < len(p.Gaps) && bytes.Compare(p.Gaps[at].First, key) <= 0
}

// Find returns the gap of p's prefix that contains key.
func (g *Gaps) Find(p *run.LookupKey, key []byte) (Gap, bool) {
	if found := g.ofPrefix(p); found != nil {
		if at, ok := found.find(key); ok {
			return found.Gaps[at], true
		}
	}
	return Gap{}, false
}

// Add records that no key in [first, to) of p's prefix has a value, and merges the new gap
// with gaps that it touches. It reports whether the gap was kept: gaps with very long keys,
// and gaps shorter than all others when the set is full, are dropped. dead is the number of
// deleted entries in the gap.
func (g *Gaps) Add(p *run.LookupKey, first, to []byte, dead int) bool {
	if !g.Fits(first, to) {
		return false
	}
	of := g.ofPrefix(p)
	if of == nil {
		g.forget(p.PrefixHash) // a different prefix with the same hash
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

// Cut removes p's key, which now has a value, from the gap that contains it. Both halves are
// kept if they have at least MinDead entries.
func (g *Gaps) Cut(p *run.LookupKey) {
	of := g.ofPrefix(p)
	if of == nil {
		return
	}
	at, ok := of.find(p.Key)
	if !ok {
		return
	}
	if 2*int64(len(p.Key)) > g.MaxGapBytes() { // halves that end at so long a key are not worth their memory
		g.replace(of, at, at+1)
		if len(of.Gaps) == 0 {
			g.forget(p.PrefixHash)
		}
		return
	}
	old := of.Gaps[at]
	before := int(float64(old.dead) * shareBelow(old.First, p.Key, old.To))
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

// shareBelow estimates the fraction of keys between first and to that are below key, from the
// eight bytes after the common prefix of first and to.
func shareBelow(first, key, to []byte) float64 {
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

// replace replaces the gaps [from, to) of a prefix by parts.
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

// size returns the memory used by a gap, approx.
func (x *Gap) size() int64 { return gapBytes + int64(len(x.First)+len(x.To)) }

// resize adds change to all counters of used memory.
func (g *Gaps) resize(of *prefixGaps, change int64) {
	of.Bytes += change
	g.Bytes += change
	g.shared.Add(change)
}

// ForgetPrefix drops all gaps of p's prefix.
func (g *Gaps) ForgetPrefix(p *run.LookupKey) {
	if g.ofPrefix(p) != nil {
		g.forget(p.PrefixHash)
	}
}

// forget drops all gaps of the prefix with a hash.
func (g *Gaps) forget(prefixHash uint64) {
	if of := g.ByPrefix[prefixHash]; of != nil {
		g.resize(of, -of.Bytes)
		delete(g.ByPrefix, prefixHash)
	}
}

// Clear drops all gaps. It is called when the store closes.
func (g *Gaps) Clear() {
	for hash := range g.ByPrefix {
		g.forget(hash)
	}
}

// bound drops gaps until they fit the limits. `of` are the gaps of the prefix to which a gap
// was just added, and hash is the hash of that prefix. bound first drops all gaps of other
// prefixes, in arbitrary order, then the shorter half of the gaps of `of`.
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

// Fits reports whether a gap between two keys is small enough to be kept.
func (g *Gaps) Fits(first, to []byte) bool { return int64(len(first)+len(to)) <= g.MaxGapBytes() }

// MaxGapBytes returns the maximum size in bytes of the two keys of a gap together.
func (g *Gaps) MaxGapBytes() int64 { return max(GapBytesPerStore, g.limit/minGapsInLimit) }

// isFull reports whether the gaps of this store use more memory than they may.
func (g *Gaps) isFull() bool {
	return g.Bytes > GapBytesPerStore && g.shared.Load() > g.limit
}
