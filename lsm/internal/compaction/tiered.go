package compaction

// tiered is a Picker that writes less and reads more than leveled: all runs stay on level 0,
// and runs of similar size are merged into one.
//
//	newest          oldest
//	[1][1][1][1][4][22]      flush 30: four runs of size 1 are merged
//	[4][4][22]
//	[1][1][4][4][22]         flush 32: 4 is at most 3 times the average of 1, 1 and 4
//	[10][22]                 no four runs
//
// Pick returns the newest window of `runs` adjacent runs whose largest has at most three times
// the average size of the others. Only adjacent runs may be merged, or the order of entries
// would change (CheckPick). With distinct sizes no window matches; so from maxTieredRuns runs
// on, the newest window is merged regardless of size, before level 0 is so high that writes
// are throttled.
//
// Invariant: a window does not begin inside a run that has several files.
//
// Cost: with runs = 4, a merge approximately doubles the size of the largest run in it. A byte
// is rewritten less than once per doubling of the store: 7 times at 1,024 memtables of one
// size, 9 times at 4,096. A read searches fewer than maxTieredRuns runs, and one more for each
// flush that waits for the compactor. During a merge of all runs, the disk holds the data
// twice.
//
// This is the size-tiered scheme of Bigtable's merging compactions (Chang et al., 2006) and of
// Cassandra's SizeTieredCompactionStrategy.
type tiered struct{ runs int }

// NewTiered returns a Picker that merges the given number of runs of similar size: at least 2;
// 0 is 4. Compared with NewLeveled it rewrites less, and a read searches more tables.
func NewTiered(runs int) Picker {
	if runs == 0 {
		runs = Level0Trigger
	}
	return tiered{max(runs, 2)}
}

// Pick implements Picker.
func (p tiered) Pick(s Shape) *Pick {
	runs := s.Levels[0]
	for from := 0; from+p.runs <= len(runs); from++ {
		if from > 0 && runs[from].Run == runs[from-1].Run {
			continue // the window would begin inside this run
		}
		window := runs[from : from+p.runs]
		largest := int64(0)
		for _, t := range window {
			largest = max(largest, t.Bytes)
		}
		if others := bytesOf(window) - largest; largest*int64(p.runs-1) <= 3*others {
			return &Pick{Files: numbersOf(window), To: 0}
		}
	}
	// Runs of distinct sizes must not accumulate without bound.
	if len(runs) >= maxTieredRuns {
		return &Pick{Files: numbersOf(runs[:min(p.runs, len(runs))]), To: 0}
	}
	return nil
}

// Level0SlowdownTrigger is the number of runs of level 0 at which writes are throttled.
const Level0SlowdownTrigger = 12

// maxTieredRuns is the number of runs at which runs are merged regardless of their size. It is
// below Level0SlowdownTrigger.
const maxTieredRuns = Level0SlowdownTrigger - 2
