package lsm

import (
	"github.com/weirstate/weir/lsm/internal/gaps"
	"github.com/weirstate/weir/run"
)

// updateGaps corrects the gaps after an operation on the key in db.scratch.lookupKey. The caller
// holds the lock.
func (db *DB) updateGaps(kind run.Kind) {
	g, p := &db.gaps, &db.scratch.lookupKey
	switch kind {
	case run.Set, run.Append:
		g.Cut(p)
	case run.DeletePrefix:
		g.ForgetPrefix(p)
	case run.Delete:
		if n := len(p.Key); p.PrefixLen == n || 2*int64(n) >= g.MaxGapBytes() { // the end of a gap has one more byte
			return
		}
		if g.IsDue(p) {
			g.Adapt(p, db.findGapAround(p.Prefix(), p.Key))
		}
	}
}

// explorer returns a walk over a prefix for one operation, which holds the lock and ends with
// closeExplorer.
func (db *DB) explorer(prefix []byte) *walk {
	w := db.scratch.explorer
	if w == nil {
		w = &walk{db: db}
		db.scratch.explorer = w
	}
	w.beginPrefix(prefix)
	w.rebuild()
	return w
}

// closeExplorer ends the operation of a walk that explorer has returned.
func (db *DB) closeExplorer(w *walk) {
	w.closeSources()
	if !w.isSmall() {
		db.scratch.explorer = nil
	}
}

// findGapAround searches down and up from a deleted key for more deleted keys and records them as a
// gap. It returns the number of entries that it stepped over, 0 if no gap was recorded, and
// gaps.NotKept if a gap of such keys is too long to be recorded. It ends at an error, which the
// next reader of these entries returns.
func (db *DB) findGapAround(prefix, key []byte) (found int) {
	w := db.explorer(prefix)
	defer db.closeExplorer(w)
	d := &w.cursor.dead
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
		w.skipUp()
	}
	switch {
	case m.Err != nil:
		return 0
	case !db.gaps.Fits(d.First, d.To):
		return gaps.NotKept
	case !w.recordGap():
		return 0
	}
	return d.Stepped - 1
}

// skipUp steps upward over the merger's current entry, and over the gap that holds its key.
func (w *walk) skipUp() {
	l, m := &w.cursor, &w.merger
	if m.Kind != run.Delete {
		return // the tombstone of the prefix sorts before all keys
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

// skipDown steps downward over the entry with the key in w.from, and over the gap that holds
// it.
func (w *walk) skipDown() {
	l, m := &w.cursor, &w.merger
	d := &l.dead
	d.AddDown(w.from)
	if d.ShouldFindGap() {
		if gap, ok := w.db.gaps.Find(&l.lookupKey, w.from); ok {
			d.SkipGapDown(gap)
			below := d.First
			if below == nil {
				below = []byte{} // the empty key; nil is above all keys
			}
			m.SeekBelow(below)
			return
		}
	}
	m.StepBelow(w.from)
}

// recordGap records the deleted keys that the move has stepped over, if they are many enough.
// It returns false if they are, and gaps has no room.
func (w *walk) recordGap() bool {
	d := &w.cursor.dead
	return d.Stepped < w.db.gaps.MinDead || w.db.gaps.Add(&w.cursor.lookupKey, d.First, d.To, d.Stepped)
}
