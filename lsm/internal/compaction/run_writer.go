package compaction

import (
	"bytes"
	"slices"

	"github.com/weirstate/weir/lsm/internal/merge"
	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/run"
)

// runWriter writes a compaction's output as the files of one run. A file ends
// at a border of partitions once it has its size, and at a border of prefixes
// once it has twice that. On level 0 there is one file.
type runWriter struct {
	c         *Compaction
	ranges    run.Ranges      // of the run; those before from are written
	obstacles []*version.File // that lie behind from: see compaction.obstacles
	from      []byte          // where the next file begins
	out       *version.TableWriter
	last      []byte // key that was written last
	reach     []byte // the tombstone of the file that reaches furthest, nil if none
	batch     filterBatch
}

// write takes the current entry of a merger.
func (w *runWriter) write(m *merge.Merger) error {
	if w.c.filters(m.Key) {
		return w.filter(m)
	}
	if len(w.batch.entries) > 0 { // the range that is filtered has ended
		if err := w.decide(); err != nil {
			return err
		}
	}
	e := run.Entry{Key: m.Key, Kind: m.Kind}
	if m.Kind.HasValue() {
		e.Value = m.Value()
	}
	return w.put(&e)
}

// put writes an entry, unless nothing is left for it to do.
func (w *runWriter) put(e *run.Entry) error {
	lowest := false
	switch e.Kind {
	case run.DeletePrefix:
		lowest = !w.c.older.MayHave(run.PrefixRange(e.Key))
	case run.Delete, run.Append:
		lowest = !w.c.older.MayHaveKey(e.Key)
	}
	switch {
	case lowest && e.Kind == run.Append:
		e.Kind = run.Set
	case lowest:
		return nil
	}
	if len(e.Key) > 0 { // nothing lies before the lowest key
		if err := w.passObstacles(run.Range{To: e.Key}); err != nil {
			return err
		}
	}
	if w.out != nil && w.endsBefore(e.Key) {
		if err := w.endFile(e.Key); err != nil {
			return err
		}
	}
	if err := w.begin(); err != nil {
		return err
	}
	w.last = append(w.last[:0], e.Key...)
	if e.Kind == run.DeletePrefix && (w.reach == nil || !bytes.HasPrefix(e.Key, w.reach)) {
		w.reach = append([]byte{}, head(e.Key, MaxBorderBytes)...)
	}
	return w.out.Add(e)
}

// MaxBorderBytes is how far into keys the bounds of files look.
const MaxBorderBytes = 1 << 10

// endsBefore reports whether the file ends before a key.
func (w *runWriter) endsBefore(key []byte) bool {
	o := w.c.Config
	size := w.sizeOf(w.out)
	if size < o.FileBytes || w.c.To == 0 {
		return false
	}
	before, after := head(w.last, MaxBorderBytes), head(key, MaxBorderBytes)
	if bytes.Equal(before, after) {
		return false // the bounds of the files would overlap
	}
	if !o.sharePartition(w.last, key) {
		return true
	}
	// A tombstone reaches over all keys that begin with its prefix.
	if size < 2*o.FileBytes || w.reach != nil && bytes.HasPrefix(key, w.reach) {
		return false
	}
	return !bytes.Equal(w.last[:o.Split.Func(w.last)], key[:o.Split.Func(key)])
}

// filterShare is which part of a budget the memory for making a filter has: a table that
// takes more counts as if it had its size. Tables of small entries need it.
const filterShare = 16

// sizeOf returns the size of a table for the purpose of ending it.
func (w *runWriter) sizeOf(out *version.TableWriter) int64 {
	o := w.c.Config
	filter := float64(out.FilterMemory()) / float64(o.BudgetBytes/filterShare)
	return max(out.Size(), int64(filter*float64(o.FileBytes)))
}

// beginsPartition reports whether key starts a new partition; false before the first
// entry. Entries that wait for the decision of a Filter count as written.
func (w *runWriter) beginsPartition(key []byte) bool {
	last := w.last
	if waiting := len(w.batch.entries); waiting > 0 {
		last = w.batch.entries[waiting-1].Key
	}
	return last != nil && !w.c.sharePartition(last, key)
}

// passObstacles ends the file before each obstacle that begins in a range, which
// has all keys up to where the run is.
func (w *runWriter) passObstacles(upTo run.Range) error {
	for len(w.obstacles) > 0 {
		from := w.obstacles[0].Bounds.From
		if !upTo.Contains(from) {
			return nil
		}
		w.obstacles = w.obstacles[1:]
		if len(from) == 0 {
			continue // nothing lies before the lowest key
		}
		if err := w.endAt(from); err != nil {
			return err
		}
	}
	return nil
}

// endAt ends the file before a key, if there is anything for it.
func (w *runWriter) endAt(to []byte) error {
	if w.out == nil {
		if len(w.ranges.Clip(run.Range{From: w.from, To: to})) == 0 {
			return nil
		}
		if err := w.begin(); err != nil {
			return err
		}
	}
	return w.endFile(to)
}

// begin begins a file if none is open.
func (w *runWriter) begin() (err error) {
	if w.out == nil {
		w.out, err = w.c.Tables.Create(w.c.To, w.c.NewNumber(), w.c.run)
	}
	return err
}

// endFile ends the file before a key, nil for the end of the run. The next one
// begins where this one ends as bounds have it, or a tombstone would make them
// overlap.
func (w *runWriter) endFile(to []byte) error {
	if to != nil {
		to = slices.Clone(head(to, MaxBorderBytes))
	}
	within := run.Range{From: w.from, To: to}
	for _, r := range w.ranges.Clip(within) {
		if err := w.out.AddRange(r); err != nil {
			return err
		}
	}
	f, err := w.out.Finish()
	w.out, w.reach = nil, nil
	if err != nil {
		return err
	}
	w.c.Outputs = append(w.c.Outputs, f)
	w.from = to
	return nil
}

// finish ends the run, at the end of the compaction.
func (w *runWriter) finish() error {
	err := w.decide()
	if err == nil {
		err = w.passObstacles(run.Range{To: w.c.End})
	}
	if err == nil {
		err = w.endAt(w.c.End)
	}
	return err
}

// abort removes the file that is open.
func (w *runWriter) abort() error {
	if w.out == nil {
		return nil
	}
	err := w.out.Abort()
	w.out = nil
	return err
}
