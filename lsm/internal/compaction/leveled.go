package compaction

import (
	"bytes"

	"github.com/weirstate/weir/lsm/internal/version"
)

// leveled is the default Picker. Level 0 receives flushed runs; each level below is one run,
// and may be ten times as large as the level above.
//
//	           runs    size                             trigger
//	level 0    1-4     a memtable each, or less         4 runs (Level0Trigger)
//	level 1    1       4 memtables or 4 files           its size
//	level 2    1       10 x that                        its size
//	level 3    1       100 x that                       ...
//
// The size of level 1 is the larger of 4 memtables and 4 files: 64 MiB by default, with
// memtables of 8 MiB and files of 16 MiB. Pick computes a score for each level: the number of
// runs in level 0, or the bytes of another level, divided by the trigger. The level with the
// highest score of at least 1 is compacted into the next one (LevelDB, doc/impl.md). There are
// four kinds of picks:
//
//   - Level 0 has small runs (frequent seals, from frequent checkpoints): they are joined to
//     one run of level 0, because merging each few of them into level 1 would rewrite many
//     times their size (smallRuns).
//   - Level 0 is due: all of its runs and the overlapping files of level 1, in two halves, so
//     that one incremental checkpoint rarely has to upload all of level 1 (pickLevel0).
//   - Another level is due: one of its files and the overlapping files below; of all files,
//     the one with the least bytes to rewrite for each of its own (pickFile). This is
//     RocksDB's default, kMinOverlappingRatio.
//   - No level is due, but reads have paid for a join, or the store is idle: a step towards
//     one single run (pickForReads, isWorthSettling).
//
// Invariant: a pick with inputs in level 0 takes either all runs from some run to the oldest,
// and all files of level 1 that overlap them; or the newest runs only, and their output stays
// in level 0. CheckPick accepts any such pick.
//
// Cost: write amplification is approx. 10 for each level, read amplification one table for each
// level and each run of level 0. Picking does no I/O and takes O(files · picked files) steps.
type leveled struct{}

// NewLeveled returns the default Picker: leveled compaction, as in LevelDB. It bounds the
// tables that a read must search, and the disk space used by old versions of entries, at the
// price of more rewriting than NewTiered.
func NewLeveled() Picker { return leveled{} }

const (
	// Level0Trigger is the number of runs at which level 0 is compacted.
	Level0Trigger = 4
	// levelFactor is the ratio of the sizes of two adjacent levels.
	levelFactor = 10
	// level1Memtables is the least size of level 1 in memtables: as much as one compaction of
	// level 0 adds to it.
	level1Memtables = Level0Trigger
)

// Pick implements Picker. The level that exceeds its size the most comes first.
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

// pickLevel0 joins small runs of level 0 with each other, or merges level 0 into level 1.
//
// Level 0 is merged in two halves, unless the pick is smaller than two files, or level 0 has
// twice as many runs as it should: each half rewrites half of level 1. The second half waits
// until at least half as many new runs have arrived as the first half merged.
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

// CountLevel0Runs returns the number of runs of level 0. A run whose first half is already
// merged into level 1 counts as half a run.
func CountLevel0Runs(s Shape) float64 {
	return float64(len(s.Levels[0])) - float64(len(begunRuns(s)))/2
}

// begunRuns returns the oldest runs of level 0 whose lower half is already merged into level
// 1, together with runs that have no keys in the lower half.
func begunRuns(s Shape) []Table {
	runs := s.Levels[0]
	var cut []byte // lowest key at which one of these runs was cut
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

// isBegun reports whether a compaction has merged the part of t below t.Cut: then some lower
// level has a table below the cut whose newest run is t.Run or newer. In a store that was
// restored from a key range, tables are cut as well but no such table exists.
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

// smallRuns returns the newest runs of level 0 that are worth joining with each other:
// together they have at most the size of a memtable, and none is larger than twice the sum of
// all newer runs. So each byte is rewritten only a few times by such joins.
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

// settledShare: at least 1/settledShare of the bytes that settling rewrites must be new, that
// is, come from level 0.
const settledShare = 4

// isWorthSettling reports whether level 0 should be merged with level 1 although it is not
// due, because nothing is being written: a core is idle, and the next reads find a single run.
// The rule on settledShare keeps the number of rewrites of a byte close to that of normal
// compactions.
func isWorthSettling(s Shape) bool {
	if !s.Settled || len(s.Levels[0]) == 0 {
		return false
	}
	pick, top := pickJoin(s), s.Levels[0]
	if pick == nil || pick.To != 1 || settledShare*bytesOf(top) < s.bytesOf(pick) {
		return false
	}
	// Runs that overlap nothing would become small files of level 1. Level 0 collects them
	// until they have the size of a file.
	overlaps := len(pick.Files) > len(top) || len(s.Levels[1]) == 0
	return overlaps || bytesOf(top) >= min(s.FileBytes, s.MemtableBytes)
}

// ReadCostBytes is the number of bytes that may be rewritten to save one unit of extra read
// cost (Shape.ExtraReadCost). A unit takes approx. half a microsecond, in which another core
// rewrites 50 bytes. It counts five times as much, because reads wait and compactions do not;
// and SettledReadCostBytes is larger still, because no write is about to undo the work.
const (
	ReadCostBytes        = 256
	SettledReadCostBytes = 2048
)

// pickForReads joins runs although no level is due, if reads have spent more on searching
// several tables than the join costs. LevelDB does the same for seeks (allowed_seeks). So data
// that is read often and written rarely becomes a single run.
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

// pickJoin returns the next step towards a single run: first merge level 0, then the highest
// level that has a level below it.
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

// pickFile moves one file of a level down: the file with the least bytes to rewrite for each
// of its own.
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
