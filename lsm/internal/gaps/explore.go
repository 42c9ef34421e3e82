package gaps

import "github.com/weirstate/weir/run"

// Some deletes explore: they walk down and up from their key over deleted entries, and add the
// range as a gap. After that, an iterator that starts anywhere steps over the few entries
// deleted since the last exploration, and skips the gaps. The order of deletes decides what an
// exploration finds:
//
//   - Consecutive deletes, upward or downward: each exploration begins at the gap left by the
//     previous one, and extends it by the keys deleted since then.
//   - Random deletes: at first, live keys lie between the deleted ones, and explorations find
//     little. Once few live keys remain, explorations find many entries that are in no gap,
//     and become more frequent, up to one for each delete.
//
// The frequency is adapted for each class of prefixes with the same low bits of their hash
// (rate). Each entry that an exploration steps over is in a gap afterwards, so explorations
// add constant amortized time to a delete.
const (
	// exploreEvery is the initial number of deletes per exploration.
	exploreEvery = 32
	// maxExploreEvery is the number of deletes per exploration where explorations find
	// nothing.
	maxExploreEvery = 128
	// An exploration that finds at least manyFound entries outside of gaps makes further ones
	// eight times as frequent; one that finds fewer than fewFound makes them slightly rarer.
	// With consecutive deletes each exploration finds exploreEvery entries.
	manyFound, fewFound = 32, 16
	// maxExplored bounds the number of entries of an exploration in each direction, and
	// maxExploredBytes the size of their keys. Entries farther away are left to other
	// explorations.
	maxExplored      = 1024
	maxExploredBytes = 256 << 10
)

// MaxExploredEntries returns the number of entries that an exploration may step over in each
// direction, around a key of keyBytes bytes.
func MaxExploredEntries(keyBytes int) int {
	return min(maxExplored, max(manyFound, maxExploredBytes/keyBytes))
}

// rate counts down to the next exploration.
type rate struct {
	every uint8 // deletes per exploration; 0 before the first delete
	left  uint8 // deletes until the next exploration
}

// IsDue counts a delete in p's prefix, and reports whether this delete must explore.
func (g *Gaps) IsDue(p *run.LookupKey) bool {
	r := g.rate(p)
	if r.every == 0 {
		r.every, r.left = g.ExploreEvery, g.ExploreEvery
	}
	if r.left--; r.left > 0 {
		return false
	}
	r.left = r.every
	return true
}

// NotKept is the result of an exploration whose gap is too large to be kept. The next
// exploration would step over the same entries again.
const NotKept = -1

// Adapt sets the frequency of explorations in p's class after one that found the given number
// of entries, or NotKept.
func (g *Gaps) Adapt(p *run.LookupKey, found int) {
	r := g.rate(p)
	switch {
	case found == NotKept:
		r.every = maxExploreEvery
	case found >= manyFound:
		r.every = max(r.every/8, 1)
	case found < fewFound:
		r.every = min(r.every+1, maxExploreEvery)
	}
	r.left = r.every
}

// rate returns the rate of p's class of prefixes.
func (g *Gaps) rate(p *run.LookupKey) *rate { return &g.rates[p.PrefixHash%uint64(len(g.rates))] }

// DeadRun collects consecutive entries without values that an iterator steps over.
type DeadRun struct {
	First, To    []byte // bounds of the entries, as in Gap
	Stepped      int    // number of entries stepped over
	steppedAtGap int    // value of Stepped when a gap was last skipped
}

// Reset starts a new run of entries.
func (d *DeadRun) Reset() { d.Stepped, d.steppedAtGap = 0, 0 }

// Add counts an entry. The first one becomes the run's bounds; AddUp and AddDown extend them
// for further entries.
func (d *DeadRun) Add(key []byte) {
	if d.Stepped == 0 {
		d.First = append(d.First[:0], key...)
		d.To = append(append(d.To[:0], key...), 0)
	}
	d.Stepped++
}

// AddUp adds an entry above all entries added so far.
func (d *DeadRun) AddUp(key []byte) {
	d.Add(key)
	d.To = append(append(d.To[:0], key...), 0)
}

// AddDown adds an entry below all entries added so far.
func (d *DeadRun) AddDown(key []byte) {
	d.Add(key)
	d.First = append(d.First[:0], key...)
}

// SkipGapUp extends the run upward by a gap.
func (d *DeadRun) SkipGapUp(over Gap) {
	d.To = append(d.To[:0], over.To...)
	d.steppedAtGap = d.Stepped
}

// SkipGapDown extends the run downward by a gap.
func (d *DeadRun) SkipGapDown(over Gap) {
	d.First = append(d.First[:0], over.First...)
	d.steppedAtGap = d.Stepped
}

// ShouldFindGap reports whether the iterator should now search for a gap at its position:
// after 1, 2, 4, … steps since the last gap, and after every leastDead steps.
func (d *DeadRun) ShouldFindGap() bool {
	n := d.Stepped - d.steppedAtGap
	return n&(n-1) == 0 || n%leastDead == 0
}
