package version

import "github.com/weirstate/weir/run"

// OlderRuns is the set of runs that are older than the output of a flush or compaction. It
// answers whether an older run may have an entry that a tombstone or delete of the output
// hides, or to which an append of the output belongs.
//
// Calls of MayHave must pass ranges in ascending order of From: each run keeps a cursor that
// only moves forward, so a whole compaction costs one pass over the files.
type OlderRuns struct {
	Runs [][]*File // files of each run, ascending by key
	next []int     // for each run: first file that does not end before the range of the last call
}

// Add adds the files of one run, ascending by key.
func (o *OlderRuns) Add(files []*File) {
	if len(files) > 0 {
		o.Runs, o.next = append(o.Runs, files), append(o.next, 0)
	}
}

// Rewind moves all cursors back to the first file.
func (o *OlderRuns) Rewind() { clear(o.next) }

// MayHave reports whether any run may have a key or a tombstone in a range.
func (o *OlderRuns) MayHave(r run.Range) bool {
	for i, files := range o.Runs {
		next := o.next[i]
		for next < len(files) && files[next].Bounds.Before(r.From) {
			next++
		}
		o.next[i] = next
		if next < len(files) && files[next].Bounds.Overlaps(r) {
			return true
		}
	}
	return false
}

// MayHaveKey reports whether any run may have an entry of a key.
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
