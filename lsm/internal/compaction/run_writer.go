package compaction

import (
	"bytes"
	"slices"

	"github.com/weirstate/weir/lsm/internal/merge"
	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/run"
)

// runWriter writes a compaction's output as the files of one run. A file that has reached
// FileBytes ends at the next border of partitions; a file of twice that size also ends at a
// border of prefixes. On level 0 the run is a single file.
type runWriter struct {
	c             *Compaction
	ranges        run.Ranges      // range tombstones of the run; those below fileStart are already written
	obstacles     []*version.File // files above fileStart that no output may overlap: see Compaction.obstacles
	fileStart     []byte          // lower bound of the current file
	out           *version.TableWriter
	lastKey       []byte // key of the last entry written
	openTombstone []byte // prefix tombstone of the file that reaches furthest; nil if it has none
	batch         filterBatch
}

// write writes the merger's current entry, or passes it to the Filter.
func (w *runWriter) write(m *merge.Merger) error {
	if w.c.filters(m.Key) {
		return w.filter(m)
	}
	if len(w.batch.entries) > 0 { // the key is above the filtered range
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

// put writes an entry, unless it is a delete or a tombstone that hides nothing in older runs.
func (w *runWriter) put(e *run.Entry) error {
	nothingOlder := false
	switch e.Kind {
	case run.DeletePrefix:
		nothingOlder = !w.c.older.MayHave(run.PrefixRange(e.Key))
	case run.Delete, run.Append:
		nothingOlder = !w.c.older.MayHaveKey(e.Key)
	}
	switch {
	case nothingOlder && e.Kind == run.Append:
		e.Kind = run.Set
	case nothingOlder:
		return nil
	}
	if len(e.Key) > 0 { // no key is below the empty key
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
	w.lastKey = append(w.lastKey[:0], e.Key...)
	if e.Kind == run.DeletePrefix && (w.openTombstone == nil || !bytes.HasPrefix(e.Key, w.openTombstone)) {
		w.openTombstone = append([]byte{}, head(e.Key, MaxBorderBytes)...)
	}
	return w.out.Add(e)
}

// MaxBorderBytes is the maximum size of the bounds of output files; longer keys are cut to it.
const MaxBorderBytes = 1 << 10

// endsBefore reports whether the current file should end before a key.
func (w *runWriter) endsBefore(key []byte) bool {
	o := w.c.Config
	size := w.sizeOf(w.out)
	if size < o.FileBytes || w.c.To == 0 {
		return false
	}
	before, after := head(w.lastKey, MaxBorderBytes), head(key, MaxBorderBytes)
	if bytes.Equal(before, after) {
		return false // the bounds of the files would overlap
	}
	if !o.sharePartition(w.lastKey, key) {
		return true
	}
	// A prefix tombstone covers all keys with its prefix, so the file may not end within them.
	if size < 2*o.FileBytes || w.openTombstone != nil && bytes.HasPrefix(key, w.openTombstone) {
		return false
	}
	return !bytes.Equal(w.lastKey[:o.Split.Func(w.lastKey)], key[:o.Split.Func(key)])
}

// filterShare: hashes for the filter of one table may use 1/filterShare of the budget. A table
// that uses all of it ends as if it had reached FileBytes. This limits tables with very small
// entries.
const filterShare = 16

// sizeOf returns the size by which a table is ended: its bytes, or the equivalent share of
// filter memory.
func (w *runWriter) sizeOf(out *version.TableWriter) int64 {
	o := w.c.Config
	filter := float64(out.FilterMemory()) / float64(o.BudgetBytes/filterShare)
	return max(out.Size(), int64(filter*float64(o.FileBytes)))
}

// beginsPartition reports whether key starts a new partition; false before the first
// entry. Entries that wait for the decision of a Filter count as written.
func (w *runWriter) beginsPartition(key []byte) bool {
	lastKey := w.lastKey
	if waiting := len(w.batch.entries); waiting > 0 {
		lastKey = w.batch.entries[waiting-1].Key
	}
	return lastKey != nil && !w.c.sharePartition(lastKey, key)
}

// passObstacles ends the current file before each obstacle that begins in a range; the range
// contains all keys up to the current position.
func (w *runWriter) passObstacles(upTo run.Range) error {
	for len(w.obstacles) > 0 {
		from := w.obstacles[0].Bounds.From
		if !upTo.Contains(from) {
			return nil
		}
		w.obstacles = w.obstacles[1:]
		if len(from) == 0 {
			continue // no key is below the empty key
		}
		if err := w.endAt(from); err != nil {
			return err
		}
	}
	return nil
}

// endAt ends the current file before a key, if it has entries or range tombstones.
func (w *runWriter) endAt(to []byte) error {
	if w.out == nil {
		if len(w.ranges.Clip(run.Range{From: w.fileStart, To: to})) == 0 {
			return nil
		}
		if err := w.begin(); err != nil {
			return err
		}
	}
	return w.endFile(to)
}

// begin creates a file if none is open.
func (w *runWriter) begin() (err error) {
	if w.out == nil {
		w.out, err = w.c.Tables.Create(w.c.To, w.c.NewNumber(), w.c.run)
	}
	return err
}

// endFile ends the current file before a key; nil is the end of the run. The next file begins
// at the shortened bound of this one; otherwise a range tombstone that begins there would make
// the bounds of both files overlap.
func (w *runWriter) endFile(to []byte) error {
	if to != nil {
		to = slices.Clone(head(to, MaxBorderBytes))
	}
	within := run.Range{From: w.fileStart, To: to}
	for _, r := range w.ranges.Clip(within) {
		if err := w.out.AddRange(r); err != nil {
			return err
		}
	}
	f, err := w.out.Finish()
	w.out, w.openTombstone = nil, nil
	if err != nil {
		return err
	}
	w.c.Outputs = append(w.c.Outputs, f)
	w.fileStart = to
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

// abort removes the unfinished file.
func (w *runWriter) abort() error {
	if w.out == nil {
		return nil
	}
	err := w.out.Abort()
	w.out = nil
	return err
}
