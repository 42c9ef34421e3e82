package compaction

import (
	"errors"
	"fmt"

	"github.com/weirstate/weir/lsm/internal/version"
)

// ErrPick is returned for a pick that would change the order of entries, or that makes no
// sense.
var ErrPick = errors.New("invalid pick")

// CheckPick reports why files may not become one run of a level: no file that stays
// may have an entry that is newer than one of theirs and older than the place
// where it goes, or the other way round.
func CheckPick(t *version.Tree, inputs map[*version.File]bool, to int) error {
	newest, oldest := inputsOfLevel0(t, inputs)
	if to == 0 && newest >= 0 {
		if err := checkRun(t.Levels[0], inputs, newest); err != nil {
			return err
		}
	}
	for level, files := range t.Levels {
		for at, f := range files {
			if !inputs[f] {
				continue
			}
			if level > to {
				return fmt.Errorf("table %d would go up from level %d to %d: %w", f.Number, level, to, ErrPick)
			}
			var between [][]*version.File // what lies between the input and where it goes
			switch {
			case to == 0: // the place of the newest input
				between = append(between, files[newest:oldest+1])
			case level == 0:
				between = append(between, files[at:])
			}
			for l := max(level, 1); l <= to; l++ {
				between = append(between, version.OverlappingSorted(t.Levels[l], version.BoundsOf, f.Bounds))
			}
			if other := staying(between, inputs, f); other != nil {
				return fmt.Errorf("table %d is in the way of table %d: %w", other.Number, f.Number, ErrPick)
			}
		}
	}
	return nil
}

// checkRun reports why inputs of level 0 may not become a file of the run of the newest
// one, which must be apart from the files of that run that stay.
func checkRun(level0 []*version.File, inputs map[*version.File]bool, newest int) error {
	all := level0[newest].Bounds
	for f := range inputs {
		all = all.Span(f.Bounds)
	}
	for _, f := range level0 {
		if !inputs[f] && f.Run == level0[newest].Run && f.Bounds.Overlaps(all) {
			return fmt.Errorf("table %d is of the run that others would become, and overlaps them: %w", f.Number, ErrPick)
		}
	}
	return nil
}

// inputsOfLevel0 are the places of the first and the last input there; -1 if
// none is there.
func inputsOfLevel0(t *version.Tree, inputs map[*version.File]bool) (newest, oldest int) {
	newest, oldest = -1, -1
	for at, f := range t.Levels[0] {
		if !inputs[f] {
			continue
		}
		if oldest = at; newest < 0 {
			newest = at
		}
	}
	return newest, oldest
}

// staying finds a file that is no input and overlaps one.
func staying(groups [][]*version.File, inputs map[*version.File]bool, f *version.File) *version.File {
	for _, files := range groups {
		for _, other := range files {
			if !inputs[other] && other.Bounds.Overlaps(f.Bounds) {
				return other
			}
		}
	}
	return nil
}
