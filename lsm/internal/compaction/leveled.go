package compaction

import (
	"bytes"

	"github.com/weirstate/weir/lsm/internal/version"
)

// leveled is the usual Picker: level 0 takes runs as they are flushed, each level
// below is one run of ten times the size of the one above.
//
// The scheme is LevelDB's (doc/impl.md there). Which file of a level goes down is
// decided as RocksDB does by default: the one with the least to rewrite for each
// of its bytes.
type leveled struct{}

// NewLeveled returns the default Picker.
func NewLeveled() Picker { return leveled{} }

const (
	// Level0Trigger is how many runs level 0 has when something is done about it.
	Level0Trigger = 4
	// levelFactor is from one level to the next.
	levelFactor = 10
	// level1Memtables is the size of level 1 in memtables: as many as level 0
	// brings at a time.
	level1Memtables = Level0Trigger
)

// Pick implements Picker: the level that is the farthest above its size comes
// first.
func (leveled) Pick(s Shape) *Pick {
	best, bestScore := -1, 1.0
	limit := float64(max(s.MemtableBytes*level1Memtables, 4*s.FileBytes))
	for level := range version.NumLevels - 1 {
		score := CountLevel0Runs(s) / Level0Trigger
		if level > 0 {
			score = float64(bytesOf(s.Levels[level])) / limit
			limit *= levelFactor
		}
		if score >= bestScore && (best < 0 || score > bestScore) {
			best, bestScore = level, score
		}
	}
	switch {
	case best < 0 && isWorthSettling(s):
		return pickJoin(s)
	case best < 0:
		return pickForReads(s)
	case best == 0:
		return pickLevel0(s)
	}
	return pickFile(s, best)
}

// pickLevel0 joins small runs among themselves, and brings the rest to level 1.
// Small ones come from seals in quick succession: to rewrite level 1 for each
// few of them would cost many times their size.
//
// Level 0 goes down in two halves, unless it has become high: about half of level 1 is
// rewritten at a time. The second half waits for new runs, half as many as go down at the
// least, so that one incremental checkpoint rarely has to upload both.
func pickLevel0(s Shape) *Pick {
	begun := begunRuns(s)
	small := smallRuns(s.Levels[0][:len(s.Levels[0])-len(begun)], s.MemtableBytes)
	if len(small) >= Level0Trigger {
		return &Pick{Files: numbersOf(small), To: 0}
	}
	if len(begun) > 0 {
		return &Pick{Files: numbersOf(begun, tablesOver(s.Levels[1], begun)), To: 1}
	}
	all := s.Levels[0]
	pick := &Pick{Files: numbersOf(all, tablesOver(s.Levels[1], all)), To: 1}
	if s.bytesOf(pick)/2 >= s.FileBytes && len(all) < 2*Level0Trigger {
		pick.Share = 0.5
	}
	return pick
}

// CountLevel0Runs counts the runs of level 0, those of which half is left as halves.
func CountLevel0Runs(s Shape) float64 {
	return float64(len(s.Levels[0])) - float64(len(begunRuns(s)))/2
}

// begunRuns are the oldest runs of level 0 of which the lower half has gone down, with
// those that have nothing there.
func begunRuns(s Shape) []Table {
	runs := s.Levels[0]
	var cut []byte // the lowest one
	for _, t := range runs {
		if s.isBegun(t) && (cut == nil || bytes.Compare(t.Cut, cut) < 0) {
			cut = t.Cut
		}
	}
	from := len(runs)
	for cut != nil && from > 0 && bytes.Compare(runs[from-1].From, cut) >= 0 {
		from--
	}
	return runs[from:]
}

// isBegun says whether there is a table that the part before a cut has gone to: it lies
// before it, and is of the same run or has it. Where a store was restored in parts there
// is none.
func (s *Shape) isBegun(t Table) bool {
	if len(t.Cut) == 0 {
		return false
	}
	for _, level := range s.Levels[1:] {
		for _, other := range level {
			if !other.Bounds().Before(t.Cut) {
				break
			}
			if other.Run >= t.Run {
				return true
			}
		}
	}
	return false
}

// smallRuns are the newest runs of level 0 of which each has no more than the
// newer ones together, twice, so that joining them rewrites a byte a few times
// only, and which come to no more than a memtable.
func smallRuns(runs []Table, memtableBytes int64) []Table {
	sum := int64(0)
	for i, t := range runs {
		if i > 0 && t.Bytes > 2*sum || sum+t.Bytes > memtableBytes {
			return runs[:i]
		}
		sum += t.Bytes
	}
	return runs
}

// settledShare is which part of what is rewritten must be new.
const settledShare = 4

// isWorthSettling says whether what has come to level 0 is joined with what it
// overlaps, though it is little: nothing is being written, so that a core is idle
// and the next reads find one run. It is not rewritten more often than in the
// ordinary course, a few times.
func isWorthSettling(s Shape) bool {
	if !s.Settled || len(s.Levels[0]) == 0 {
		return false
	}
	pick, top := pickJoin(s), s.Levels[0]
	if pick == nil || pick.To != 1 || settledShare*bytesOf(top) < s.bytesOf(pick) {
		return false
	}
	// What overlaps nothing would lie on level 1 as it is, however small: level 0 gathers it.
	overlaps := len(pick.Files) > len(top) || len(s.Levels[1]) == 0
	return overlaps || bytesOf(top) >= min(s.FileBytes, s.MemtableBytes)
}

// How much may be rewritten to save extra read cost of 1. It is about half a microsecond, in
// which another core
// rewrites 50 bytes; it counts for more because reads wait and a compaction does
// not, and for more still where no write is about to undo it.
const (
	ReadCostBytes        = 256
	SettledReadCostBytes = 2048
)

// pickForReads joins runs, though none is above its size, as soon as reads have
// paid for it: by a rule like that of LevelDB, where seeks do, so that what is
// read much and written little becomes one run.
func pickForReads(s Shape) *Pick {
	if s.ExtraReadCost == 0 {
		return nil
	}
	paid := s.ExtraReadCost * ReadCostBytes
	if s.Settled {
		paid = s.ExtraReadCost * SettledReadCostBytes
	}
	pick := pickJoin(s)
	if pick == nil || s.bytesOf(pick) > paid {
		return nil
	}
	return pick
}

// pickJoin is the next step towards one run: level 0 first, then the highest
// level with one below.
func pickJoin(s Shape) *Pick {
	lowest := version.NumLevels - 1
	for lowest > 0 && len(s.Levels[lowest]) == 0 {
		lowest--
	}
	if top := s.Levels[0]; len(top) > 1 || len(top) == 1 && lowest > 0 {
		return &Pick{Files: numbersOf(top, tablesOver(s.Levels[1], top)), To: 1}
	}
	for level := 1; level < lowest; level++ {
		if len(s.Levels[level]) > 0 {
			return pickFile(s, level)
		}
	}
	return nil
}

// pickFile brings one file of a level down.
func pickFile(s Shape, level int) *Pick {
	var best Pick
	bestCost := -1.0
	for _, t := range s.Levels[level] {
		one := []Table{t}
		over := version.OverlappingSorted(s.Levels[level+1], Table.Bounds, t.Bounds())
		cost := float64(bytesOf(over)) / float64(max(t.Bytes, 1))
		if bestCost < 0 || cost < bestCost {
			best, bestCost = Pick{Files: numbersOf(one, over), To: level + 1}, cost
		}
	}
	return &best
}
