package compaction

import (
	"errors"

	"github.com/weirstate/weir/internal/pace"
	"github.com/weirstate/weir/lsm/internal/merge"
	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/run"
)

// WriteRuns writes the entries of memtables, merged, or of one source to one file of level 0. It
// returns nil if there are no entries. older are the runs of the tree. stop is called after each
// quantum of work; an error ends the flush.
func (c *Config) WriteRuns(group []*version.SealedRun, older *version.OlderRuns, stop func() error) (*version.File, error) {
	step := paced(stop)
	if group[0].Source != nil {
		return c.writeSource(group[0], older, step)
	}
	var ranges run.Ranges
	var sources []merge.Source
	for _, r := range group {
		if r.Table.Len() > 0 {
			sources = append(sources, merge.MemtableSource(r.Table))
			ranges.AddAll(r.Table.Ranges())
		}
	}
	if len(sources) == 0 {
		return nil, nil
	}
	var m merge.Merger
	m.Reset(&c.Split, nil, sources)
	defer m.Close()
	return c.Tables.WriteRun(c.NewNumber(), group[0].Number, ranges, func(w *version.TableWriter) error {
		return c.Guard(func() error { return c.fill(w, &m, older, step) })
	})
}

// fill writes the merged entries of memtables.
func (c *Config) fill(w *version.TableWriter, m *merge.Merger, older *version.OlderRuns, step func(int64) error) error {
	for m.Seek(nil); m.Next(); {
		e := run.Entry{Key: m.Key, Kind: m.Kind}
		if e.Kind.HasValue() {
			e.Value = m.Value()
		}
		if err := c.writeEntry(w, e, older, step); err != nil {
			return err
		}
	}
	return m.Err
}

// writeSource writes the entries of a source. It creates the file at the first entry.
func (c *Config) writeSource(r *version.SealedRun, older *version.OlderRuns, step func(int64) error) (*version.File, error) {
	var w *version.TableWriter
	err := c.Entries(r.Source, func(e *run.Entry) (err error) {
		if w == nil {
			if w, err = c.Tables.Create(0, c.NewNumber(), r.Number); err != nil {
				return err
			}
		}
		return c.writeEntry(w, *e, older, step)
	})
	switch {
	case w == nil:
		return nil, err
	case err != nil:
		return nil, errors.Join(err, w.Abort())
	}
	return w.Finish()
}

// writeEntry writes an entry of a flush. Keys of successive calls must ascend, because older has
// cursors.
func (c *Config) writeEntry(w *version.TableWriter, e run.Entry, older *version.OlderRuns, step func(int64) error) error {
	// An append with no older entry is written as a Set. This holds for open views of these runs
	// too: older entries that a view still sees and the tree has lost can only have been removed by
	// a Filter, and keys of a Filter are excluded here.
	if e.Kind == run.Append && !c.filters(e.Key) && !older.MayHaveKey(e.Key) {
		e.Kind = run.Set
	}
	if err := w.Add(&e); err != nil {
		return err
	}
	return step(e.Value.Size())
}

// paced returns a function that a flush or compaction calls after each entry, with the size of its
// value. It offers the processor after each quantum of work, and then calls stop.
func paced(stop func() error) func(valueBytes int64) error {
	var pacer pace.Pacer
	return func(valueBytes int64) error {
		if !pacer.Spend(entryNanos + int(min(valueBytes, pace.QuantumNanos))) {
			return nil
		}
		return stop()
	}
}

// entryNanos is approximately the time for an entry with a small value. Each byte of the value
// takes approximately one more nanosecond.
const entryNanos = 300
