package compaction

import (
	"errors"
	"fmt"

	"github.com/weirstate/weir/lsm/internal/version"
)

// ErrPick is returned for a pick that would change the order of entries, or that is
// meaningless.
var ErrPick = errors.New("invalid pick")

// CheckPick returns ErrPick if the inputs cannot become one run of level `to` without changing
// the order of entries.
//
// A read returns the first entry that it finds from the top of the tree to the bottom, so a
// newer entry must never be below an older one. A compaction moves entries down, past the
// files between the input and the output. If a file that stays there overlaps an input, it may
// have an entry of the same key, and their order would be reversed:
//
//	level 0    [A: k=3]               A merged into level 1 alone:
//	           [B: k=2]               B would return k=2, although A is newer
//	level 1    [C: k=1]               C would overlap the output within level 1
//
//	{A}        to 1: rejected, B stays between A and the output
//	{A, B}     to 1: rejected, C stays in the output's level
//	{A, B, C}  to 1: accepted
//	{A, B}     to 0: accepted, the output takes the place of A
//	{B, C}     to 1: accepted, A stays above
//
// Invariant (accepted picks): for each input, no file that is not an input and overlaps it
// lies between it and the output's place. For level `to` above 0 these are the older files of
// level 0, if the input is in level 0, and all files of the levels from the input's to `to`.
// For `to` = 0 these are the files of level 0 between the newest and the oldest input, because
// the output becomes part of the newest input's run.
//
// Invariant: inputs never move up. The files of one run of level 0 stay disjoint (checkRun).
//
// Overlap is decided by bounds, not by keys, so the check is conservative: it may reject a
// pick that happens to be harmless, and it never accepts a wrong one. It protects the store
// from faulty pickers, which are a user's code.
//
// Cost: O(inputs · files of level 0), plus a binary search for each input and level.
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
				return fmt.Errorf("table %d would move up from level %d to %d: %w", f.Number, level, to, ErrPick)
			}
			var between [][]*version.File // files between the input and the output's place
			switch {
			case to == 0: // the output's place is that of the newest input
				between = append(between, files[newest:oldest+1])
			case level == 0:
				between = append(between, files[at:])
			}
			for l := max(level, 1); l <= to; l++ {
				between = append(between, version.OverlappingSorted(t.Levels[l], version.BoundsOf, f.Bounds))
			}
			if other := overlappingNonInput(between, inputs, f); other != nil {
				return fmt.Errorf("table %d overlaps input %d and would stay between it and the output: %w", other.Number, f.Number, ErrPick)
			}
		}
	}
	return nil
}

// checkRun returns ErrPick if a compaction into level 0 would make files of one run overlap:
// the output belongs to the run of the newest input, so it must not overlap files of that run
// that stay.
func checkRun(level0 []*version.File, inputs map[*version.File]bool, newest int) error {
	all := level0[newest].Bounds
	for f := range inputs {
		all = all.Span(f.Bounds)
	}
	for _, f := range level0 {
		if !inputs[f] && f.Run == level0[newest].Run && f.Bounds.Overlaps(all) {
			return fmt.Errorf("table %d has the same run as the output and overlaps it: %w", f.Number, ErrPick)
		}
	}
	return nil
}

// inputsOfLevel0 returns the indexes of the first and the last input in level 0, -1 if level 0
// has no input.
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

// overlappingNonInput returns a file of the groups that is not an input and overlaps f, or
// nil.
func overlappingNonInput(groups [][]*version.File, inputs map[*version.File]bool, f *version.File) *version.File {
	for _, files := range groups {
		for _, other := range files {
			if !inputs[other] && other.Bounds.Overlaps(f.Bounds) {
				return other
			}
		}
	}
	return nil
}
