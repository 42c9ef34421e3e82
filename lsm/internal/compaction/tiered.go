package compaction

// tiered is a Picker that writes less and reads more: all runs stay on level 0,
// and runs of about one size become one that is as large as they together.
//
// It is the size-tiered scheme of Bigtable's minor compactions and of Cassandra.
type tiered struct{ runs int }

// NewTiered returns a Picker that joins so many runs of about the same size, 2 at
// least; 0 is 4.
func NewTiered(runs int) Picker {
	if runs == 0 {
		runs = Level0Trigger
	}
	return tiered{max(runs, 2)}
}

// Pick implements Picker: the newest runs in a row of which the largest has no more than
// three times the average of the others.
func (p tiered) Pick(s Shape) *Pick {
	runs := s.Levels[0]
	for from := 0; from+p.runs <= len(runs); from++ {
		if from > 0 && runs[from].Run == runs[from-1].Run {
			continue // both or none
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
	// Runs that fit to none must not become ever more.
	if len(runs) >= maxTieredRuns {
		return &Pick{Files: numbersOf(runs[:min(p.runs, len(runs))]), To: 0}
	}
	return nil
}

// Level0SlowdownTrigger is how many runs level 0 has when writes begin to slow down.
const Level0SlowdownTrigger = 12

// maxTieredRuns is below where writes slow down.
const maxTieredRuns = Level0SlowdownTrigger - 2
