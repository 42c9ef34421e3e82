// Package majors is a Picker with two levels: runs collect on level 0, and a major
// compaction joins them with level 1.
package majors

import "github.com/weirstate/weir/lsm"

// Picker implements lsm.Picker: once level 0 has Runs runs, all tables become level 1.
type Picker struct {
	// Runs is the number of runs in level 0 that triggers a compaction, at least 2.
	Runs int
}

// Pick implements lsm.Picker.
func (p Picker) Pick(s lsm.Shape) *lsm.Pick {
	if len(s.Levels[0]) < max(p.Runs, 2) {
		return nil
	}
	pick := &lsm.Pick{To: 1}
	for _, tables := range s.Levels[:2] {
		for _, t := range tables {
			pick.Files = append(pick.Files, t.Number)
		}
	}
	return pick
}
