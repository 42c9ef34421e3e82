package lsm

import (
	"math/rand/v2"
	"sync"

	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/run"
)

// randomPicker returns random picks that keep the order of entries. It often picks nothing.
type randomPicker struct {
	mu  sync.Mutex
	rng *rand.Rand
}

func (p *randomPicker) Pick(s Shape) *Pick {
	p.mu.Lock()
	defer p.mu.Unlock()
	for range p.rng.IntN(8) {
		pick := Pick{To: p.rng.IntN(4)}
		if p.rng.IntN(2) == 0 {
			pick.Share = p.rng.Float64()
		}
		keep := 1 + p.rng.IntN(3)
		for level := range pick.To + 1 {
			for _, t := range s.Levels[level] {
				if p.rng.IntN(keep+1) < keep {
					pick.Files = append(pick.Files, t.Number)
				}
			}
		}
		if len(pick.Files) > 0 && isInOrder(s, pick) {
			return &pick
		}
	}
	return nil
}

// isInOrder reports whether a pick keeps the order of the entries of each key. It checks the
// definition directly: if two tables overlap, the newer table stays newer, and the tables of
// each level from 1 on do not overlap. An output in level 0 belongs to the run of its newest input
// in level 0. No table that overlaps the output may stay between its inputs or in that run,
// because their order would be unknown.
func isInOrder(s Shape, p Pick) bool {
	type placed struct {
		bounds  run.Range
		age     [2]int // level, then index in level 0
		after   [2]int
		isInput bool
	}
	picked := make(map[uint64]bool)
	for _, n := range p.Files {
		picked[n] = true
	}
	var all []placed
	first, last := -1, -1
	for at, t := range s.Levels[0] {
		if !picked[t.Number] {
			continue
		}
		if last = at; first < 0 {
			first = at
		}
	}
	for level, tables := range s.Levels {
		for at, t := range tables {
			age := [2]int{level, 0}
			if level == 0 {
				age[1] = at
			}
			one := placed{bounds: t.Bounds(), age: age, after: age, isInput: picked[t.Number]}
			if one.isInput {
				if level > p.To {
					return false
				}
				if one.after = [2]int{p.To, 0}; p.To == 0 {
					one.after[1] = first
				}
			}
			all = append(all, one)
		}
	}
	older := func(a, b [2]int) int {
		if a[0] != b[0] {
			return a[0] - b[0]
		}
		return a[1] - b[1]
	}
	for _, a := range all {
		for _, b := range all {
			if !a.isInput || b.isInput || !a.bounds.Overlaps(b.bounds) {
				continue
			}
			before, after := older(a.age, b.age), older(a.after, b.after)
			if after == 0 || (before < 0) != (after < 0) {
				return false
			}
			if p.To == 0 && b.age[0] == 0 && first < b.age[1] && b.age[1] < last {
				return false
			}
		}
	}
	return p.To > 0 || first < 0 || isLevel0Ordered(s.Levels[0], picked, s.Levels[0][first])
}

// isLevel0Ordered reports whether level 0 passes Tree.Check after the picked tables are replaced by
// one table that belongs to the run of newest.
func isLevel0Ordered(level0 []Table, picked map[uint64]bool, newest Table) bool {
	one := newest
	var s Shape
	for _, t := range level0 {
		if picked[t.Number] {
			all := one.Bounds().Span(t.Bounds())
			one.From, one.To = all.From, all.To
		} else {
			s.Levels[0] = append(s.Levels[0], t)
		}
	}
	s.Levels[0] = append(s.Levels[0], one)
	after := treeOfShape(s)
	version.SortLevel(0, after.Levels[0])
	return after.Check() == nil
}
