package lsm

import (
	"github.com/weirstate/weir/lsm/internal/gaps"
	"github.com/weirstate/weir/run"
)

// noteWrite keeps the gaps right after an operation on the key of db.scratch.lookupKey. The lock is
// held.
func (db *DB) noteWrite(kind run.Kind) {
	g, p := &db.gaps, &db.scratch.lookupKey
	switch kind {
	case run.Set, run.Append:
		g.Cut(p)
	case run.DeletePrefix:
		g.ForgetPrefix(p)
	case run.Delete:
		if n := len(p.Key); p.PrefixLen == n || 2*int64(n) >= g.MaxGapBytes() { // the end of a gap has a byte more
			return
		}
		if g.IsDue(p) {
			g.Adapt(p, db.explore(p.Prefix(), p.Key))
		}
	}
}

// explore walks down and up from a key that was deleted, over what is, and remembers
// that. It returns how many entries it stepped over, 0 if they were not remembered, and
// gaps.NotKept if they never can be. An error ends it: whoever reads will meet it again.
func (db *DB) explore(prefix, key []byte) (found int) {
	w := db.liveWalk(prefix)
	defer func() { db.report(w.closeLive()) }()
	w.rebuild()
	d := &w.live.dead
	d.Reset()
	d.Add(key)
	most := gaps.MaxExploredEntries(len(key))
	w.descend(key, most)
	m := &w.merger
	if m.Err != nil {
		return 0
	}
	m.Seek(d.To)
	for limit := d.Stepped + most; d.Stepped < limit && w.next() && !w.isPast(m.Key) && !m.Kind.HasValue(); {
		w.passUp()
	}
	switch {
	case m.Err != nil:
		return 0
	case !db.gaps.Fits(d.First, d.To):
		return gaps.NotKept
	case !w.rememberGap():
		return 0
	}
	return d.Stepped - 1
}

// passUp steps over the merger's entry, upwards, and over the gap that it is in.
func (w *walk) passUp() {
	l, m := &w.live, &w.merger
	if m.Kind != run.Delete {
		return // the tombstone of the prefix lies below all keys
	}
	d := &l.dead
	d.AddUp(m.Key)
	if !d.ShouldFindGap() {
		return
	}
	if gap, ok := w.db.gaps.Find(&l.lookupKey, m.Key); ok {
		d.SkipGapUp(gap)
		m.Seek(d.To)
	}
}

// passDown steps over the entry of the key in w.from, downwards, and over the gap that it
// is in.
func (w *walk) passDown() {
	l, m := &w.live, &w.merger
	d := &l.dead
	d.AddDown(w.from)
	if d.ShouldFindGap() {
		if gap, ok := w.db.gaps.Find(&l.lookupKey, w.from); ok {
			d.SkipGapDown(gap)
			m.SeekBelow(d.First)
			return
		}
	}
	m.StepBelow(w.from)
}

// rememberGap takes down what was passed, if it is worth it. It returns false if it was, and
// there is no room for the gap.
func (w *walk) rememberGap() bool {
	d := &w.live.dead
	return d.Stepped < w.db.gaps.MinDead || w.db.gaps.Add(&w.live.lookupKey, d.First, d.To, d.Stepped)
}
