package compaction

import (
	"errors"
	"runtime"

	"github.com/weirstate/weir/lsm/internal/merge"
	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/run"
)

// WriteRuns writes the entries of memtables, merged, or of one source to one file of level 0. It
// returns nil if there are no entries. older are the runs of the tree. stop is called after every stopEntries entries; an error
// ends the flush.
func (c *Config) WriteRuns(group []*version.SealedRun, older *version.OlderRuns, stop func() error) (*version.File, error) {
	if group[0].Source != nil {
		return c.writeSource(group[0], older, stop)
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
		return c.Guard(func() error { return c.fill(w, &m, older, stop) })
	})
}

// fill writes the merged entries of memtables.
func (c *Config) fill(w *version.TableWriter, m *merge.Merger, older *version.OlderRuns, stop func() error) error {
	for m.Seek(nil); m.Next(); {
		e := run.Entry{Key: m.Key, Kind: m.Kind}
		if e.Kind.HasValue() {
			e.Value = m.Value()
		}
		if err := c.writeEntry(w, e, older, stop); err != nil {
			return err
		}
	}
	return m.Err
}

// writeSource writes the entries of a source. It creates the file at the first entry.
func (c *Config) writeSource(r *version.SealedRun, older *version.OlderRuns, stop func() error) (*version.File, error) {
	var w *version.TableWriter
	err := c.Entries(r.Source, func(e *run.Entry) (err error) {
		if w == nil {
			if w, err = c.Tables.Create(0, c.NewNumber(), r.Number); err != nil {
				return err
			}
		}
		return c.writeEntry(w, *e, older, stop)
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
func (c *Config) writeEntry(w *version.TableWriter, e run.Entry, older *version.OlderRuns, stop func() error) error {
	// An append with no older entry is written as a Set. This holds for open views of these runs
	// too: older entries that a view still sees and the tree has lost can only have been removed by
	// a Filter, and keys of a Filter are excluded here.
	if e.Kind == run.Append && !c.filters(e.Key) && !older.MayHaveKey(e.Key) {
		e.Kind = run.Set
	}
	if err := w.Add(&e); err != nil {
		return err
	}
	if w.Entries()%yieldEntries == 0 {
		runtime.Gosched() // a goroutine that writes to the store may wait for this processor
	}
	if w.Entries()%stopEntries == 0 {
		return stop()
	}
	return nil
}

// Every yieldEntries entries, flushes and compactions yield the processor: with fewer
// processors than goroutines, a writer would otherwise wait for the 10 ms time slice of the Go
// scheduler. Every stopEntries entries they check whether the store closes.
const (
	yieldEntries = 1 << 9
	stopEntries  = 1 << 12
)
