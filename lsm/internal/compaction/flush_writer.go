package compaction

import (
	"runtime"

	"github.com/weirstate/weir/lsm/internal/merge"
	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/run"
)

// WriteRuns writes the entries of memtables into a file of level 0; nil if they are empty.
// The older runs are those of the tree. Stop is called every so many entries, and may end
// the writing.
func (c *Config) WriteRuns(group []*version.SealedRun, older *version.OlderRuns, stop func() error) (*version.File, error) {
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

// fill writes what a merge of memtables comes to.
func (c *Config) fill(w *version.TableWriter, m *merge.Merger, older *version.OlderRuns, stop func() error) error {
	for m.Seek(nil); m.Next(); {
		e := run.Entry{Key: m.Key, Kind: m.Kind}
		if e.Kind.HasValue() {
			e.Value = m.Value()
		}
		// An append with no older entry is written as a Set. Views of these runs see none
		// either: only a Filter takes away what they see.
		if e.Kind == run.Append && !c.filters(e.Key) && !older.MayHaveKey(e.Key) {
			e.Kind = run.Set
		}
		if err := w.Add(&e); err != nil {
			return err
		}
		if w.Entries()%yieldEntries == 0 {
			runtime.Gosched() // the owner may be waiting for this processor
		}
		if w.Entries()%stopEntries == 0 {
			if err := stop(); err != nil {
				return err
			}
		}
	}
	return m.Err
}

// The workers look every so often whether somebody else could do something: the
// owner, where there are fewer processors than goroutines, which would have to
// wait for 10 ms else; and whether the store is closing.
const (
	yieldEntries = 1 << 9
	stopEntries  = 1 << 12
)
