package lsm

import "github.com/weirstate/weir/internal/run"

// olderRuns are the runs under one that is being written. It is asked about ranges
// in the order of where they begin.
type olderRuns struct {
	runs [][]*file
	at   []int // per run: the first file that does not end before the last range
}

func (o *olderRuns) add(files []*file) {
	if len(files) > 0 {
		o.runs, o.at = append(o.runs, files), append(o.at, 0)
	}
}

// rewind is for asking once more from the beginning.
func (o *olderRuns) rewind() { clear(o.at) }

// mayHave says whether any of the runs may have keys of a range.
func (o *olderRuns) mayHave(r run.Range) bool {
	for i, files := range o.runs {
		at := o.at[i]
		for at < len(files) && files[at].bounds.Before(r.From) {
			at++
		}
		o.at[i] = at
		if at < len(files) && files[at].bounds.Overlaps(r) {
			return true
		}
	}
	return false
}

// mayHaveKey is mayHave for one key.
func (o *olderRuns) mayHaveKey(key []byte) bool {
	return len(o.runs) > 0 && o.mayHave(run.Range{From: key, To: append(append(make([]byte, 0, len(key)+1), key...), 0)})
}
