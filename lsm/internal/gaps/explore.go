package gaps

import "github.com/weirstate/weir/run"

// Of the deletes of keys with a suffix, every so many look around: they walk down and up
// from their key over what is deleted, and take the gap down. So a walk that begins
// anywhere steps over the few entries that were deleted since the last look, and over
// gaps, whatever the order of the deletes was:
//
//   - one after the other, up or down, at an end or in the middle: each look begins at the
//     gap that the last one has left, which grows by what was deleted since;
//   - at random: what is deleted lies scattered, until there is little left between. Then
//     looks find much that is in no gap, and come the more often, up to one for each delete.
//
// How often is decided for a part of the prefixes at a time, those with the same low bits
// of their hash. Each entry that a look steps over is in a gap afterwards, so that looks
// cost a delete a constant time, on average.
const (
	// exploreEvery is how many deletes there are to a look at first.
	exploreEvery = 32
	// maxExploreEvery is that where nothing is found.
	maxExploreEvery = 128
	// manyFound entries that were in no gap let looks come twice as often, and few a little
	// more rarely: with deletes one after the other each finds exploreEvery.
	manyFound, fewFound = 32, 16
	// maxExplored bounds the entries of a look in each direction, and maxExploredBytes their
	// keys: what lies farther is found by others.
	maxExplored      = 1024
	maxExploredBytes = 256 << 10
)

// MaxExploredEntries returns how many entries a look passes in each direction, around a key
// of so many bytes.
func MaxExploredEntries(keyBytes int) int {
	return min(maxExplored, max(manyFound, maxExploredBytes/keyBytes))
}

// rate says when the next look is.
type rate struct {
	every uint8 // deletes to a look, 0 at the beginning
	left  uint8 // until the next one
}

// IsDue counts a delete in the prefix of a lookup key, and reports whether it looks around.
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

// NotKept is the result of a look whose gap is too long to be remembered: the next would find
// all of it again.
const NotKept = -1

// Adapt sets the rate of looks after one that found so many entries, or was NotKept.
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

func (g *Gaps) rate(p *run.LookupKey) *rate { return &g.rates[p.PrefixHash%uint64(len(g.rates))] }

// DeadRun is entries in a row that have no value, as a walk has passed them.
type DeadRun struct {
	First, To []byte // as in a gap
	Stepped   int    // over so many entries
	jumped    int    // stepped when a gap was passed last
}

func (d *DeadRun) Reset() { d.Stepped, d.jumped = 0, 0 }

// Add steps over the entry of a key, which is above or below all before.
func (d *DeadRun) Add(key []byte) {
	if d.Stepped == 0 {
		d.First = append(d.First[:0], key...)
		d.To = append(append(d.To[:0], key...), 0)
	}
	d.Stepped++
}

// AddUp steps upwards over the entry of a key.
func (d *DeadRun) AddUp(key []byte) {
	d.Add(key)
	d.To = append(append(d.To[:0], key...), 0)
}

// AddDown steps downwards over the entry of a key.
func (d *DeadRun) AddDown(key []byte) {
	d.Add(key)
	d.First = append(d.First[:0], key...)
}

// SkipGapUp steps over a gap upwards.
func (d *DeadRun) SkipGapUp(over Gap) {
	d.To = append(d.To[:0], over.To...)
	d.jumped = d.Stepped
}

// SkipGapDown steps over a gap downwards.
func (d *DeadRun) SkipGapDown(over Gap) {
	d.First = append(d.First[:0], over.First...)
	d.jumped = d.Stepped
}

// ShouldFindGap reports whether to look for a gap now: at once, and then more and more rarely.
func (d *DeadRun) ShouldFindGap() bool {
	n := d.Stepped - d.jumped
	return n&(n-1) == 0 || n%leastDead == 0
}
