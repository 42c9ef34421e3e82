package lsm

import (
	"github.com/weirstate/weir/internal/run"
)

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

// exploredEntries is how many entries a look passes in each direction, around a key of so
// many bytes.
func exploredEntries(keyBytes int) int {
	return min(maxExplored, max(manyFound, maxExploredBytes/keyBytes))
}

// rate says when the next look is.
type rate struct {
	every uint8 // deletes to a look, 0 at the beginning
	left  uint8 // until the next one
}

// isDue counts a delete and says whether it looks around.
func (g *gaps) isDue(r *rate) bool {
	if r.every == 0 {
		r.every, r.left = g.every, g.every
	}
	if r.left--; r.left > 0 {
		return false
	}
	r.left = r.every
	return true
}

// adapt sets the rate after a look that found so many entries.
func (r *rate) adapt(found int) {
	switch {
	case found >= manyFound:
		r.every = max(r.every/8, 1)
	case found < fewFound:
		r.every = min(r.every+1, maxExploreEvery)
	}
	r.left = r.every
}

// noteWrite keeps the gaps right after an operation on the key of db.probe. The lock is
// held.
func (db *DB) noteWrite(kind run.Kind) {
	g, p := &db.gaps, &db.probe
	switch kind {
	case run.Set, run.Append:
		g.cut(p)
	case run.DeletePrefix:
		if g.ofPrefix(p) != nil {
			g.forget(p.PrefixHash)
		}
	case run.Delete:
		if n := len(p.Key); p.PrefixLen == n || 2*int64(n) > g.maxBytes() {
			return
		}
		if r := &g.rates[p.PrefixHash%uint64(len(g.rates))]; g.isDue(r) {
			r.adapt(db.explore(p.Prefix(), p.Key))
		}
	}
}

// explore walks down and up from a key that was deleted, over what is, and remembers
// that. It returns how many entries it stepped over. An error ends it: whoever reads will
// meet it again.
func (db *DB) explore(prefix, key []byte) (found int) {
	w := db.liveWalk(prefix)
	defer func() { db.report(w.closeLive()) }()
	w.rebuild()
	d := &w.live.dead
	d.begin()
	d.add(key)
	most := exploredEntries(len(key))
	w.descend(key, most)
	m := &w.merger
	if m.err != nil {
		return 0
	}
	m.seek(d.to)
	for limit := d.stepped + most; d.stepped < limit && w.next() && !w.isPast(m.key) && !m.kind.HasValue(); {
		w.passUp()
	}
	if m.err == nil {
		w.rememberGap()
	}
	return d.stepped - 1
}

// deadRun is entries in a row that have no value, as a walk has passed them.
type deadRun struct {
	first, to []byte // as in gap
	stepped   int    // over so many entries
	jumped    int    // stepped when a gap was passed last
}

func (d *deadRun) begin() { d.stepped, d.jumped = 0, 0 }

// add steps over the entry of a key, which is above or below all before.
func (d *deadRun) add(key []byte) {
	if d.stepped == 0 {
		d.first = append(d.first[:0], key...)
		d.to = append(append(d.to[:0], key...), 0)
	}
	d.stepped++
}

// looks says whether to look for a gap now: at once, and then more and more rarely.
func (d *deadRun) looks() bool {
	n := d.stepped - d.jumped
	return n&(n-1) == 0 || n%leastDead == 0
}

// passUp steps over the merger's entry, upwards, and over the gap that it is in.
func (w *walk) passUp() {
	l, m := &w.live, &w.merger
	if m.kind != run.Delete {
		return // the tombstone of the prefix lies below all keys
	}
	d := &l.dead
	d.add(m.key)
	d.to = append(append(d.to[:0], m.key...), 0)
	if !d.looks() {
		return
	}
	if gap, ok := w.db.gaps.around(&l.probe, m.key); ok {
		d.to = append(d.to[:0], gap.to...)
		d.jumped = d.stepped
		m.seek(d.to)
	}
}

// passDown steps over the entry of the key in w.from, downwards, and over the gap that it
// is in.
func (w *walk) passDown() {
	l, m := &w.live, &w.merger
	d := &l.dead
	d.add(w.from)
	d.first = append(d.first[:0], w.from...)
	if d.looks() {
		if gap, ok := w.db.gaps.around(&l.probe, w.from); ok {
			d.first = append(d.first[:0], gap.first...)
			d.jumped = d.stepped
			m.seekBelow(d.first)
			return
		}
	}
	m.leaveDown(w.from)
}

// rememberGap takes down what was passed, if it is worth it.
func (w *walk) rememberGap() {
	if d := &w.live.dead; d.stepped >= w.db.gaps.least {
		w.db.gaps.add(&w.live.probe, d.first, d.to, d.stepped)
	}
}
