package version

import "github.com/weirstate/weir/run"

// OlderRuns are the runs under one that is being written. It is asked about ranges
// in the order of where they begin.
type OlderRuns struct {
	Runs [][]*File
	at   []int // per run: the first file that does not end before the last range
}

func (o *OlderRuns) Add(files []*File) {
	if len(files) > 0 {
		o.Runs, o.at = append(o.Runs, files), append(o.at, 0)
	}
}

// Rewind is for asking once more from the beginning.
func (o *OlderRuns) Rewind() { clear(o.at) }

// MayHave reports whether any of the runs may have keys of a range.
func (o *OlderRuns) MayHave(r run.Range) bool {
	for i, files := range o.Runs {
		at := o.at[i]
		for at < len(files) && files[at].Bounds.Before(r.From) {
			at++
		}
		o.at[i] = at
		if at < len(files) && files[at].Bounds.Overlaps(r) {
			return true
		}
	}
	return false
}

// MayHaveKey is MayHave for one key.
func (o *OlderRuns) MayHaveKey(key []byte) bool {
	return len(o.Runs) > 0 && o.MayHave(run.Range{From: key, To: append(append(make([]byte, 0, len(key)+1), key...), 0)})
}

// Runs returns all runs of a tree.
func (t *Tree) Runs() (o OlderRuns) {
	for _, f := range t.Levels[0] {
		o.Add([]*File{f})
	}
	for _, level := range t.Levels[1:] {
		o.Add(level)
	}
	return o
}
