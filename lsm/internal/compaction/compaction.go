package compaction

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/weirstate/weir/lsm/internal/merge"
	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/sstable"
)

// Compaction merges some runs of a tree into one run of a level: New checks the pick and
// plans, Merge writes the output files, Change returns the edit that the store commits.
//
//	level 0    [ run 9 ]   [ run 8 ]      inputs, newest first
//	level 1    [ a-f ][ g-m ]      [ t-z ]     inputs that overlap, and [t-z], which stays
//	                   |  merge: newest entry of each key wins, appends are joined
//	                   v
//	level 1    [ a-d ][ e-h ][ i-m ][ t-z ]    outputs: disjoint, FileBytes each
//
// Deletes and tombstones are dropped as soon as no older run has a key that they could hide
// (older), and an append with no older entry becomes a set. Deleted data leaves the disk in
// this way, and when a file that a range tombstone hides completely is dropped
// (version.Tree.Covered).
//
// # Halves
//
// A compaction of all of level 0 rewrites all of level 1, and then an incremental checkpoint
// has to upload all of it. So a pick may have a Share: after that share of the input entries,
// the compaction ends at the next border of partitions, End. The unread rest of each input
// stays in its level as a virtual table (version.File) and is an input of the next compaction.
//
//	key order             a . . . . . . . End . . . . . . . z
//	inputs, level 0       [ merged        |  remainder       ]
//	inputs, level 1       [ rewritten     |  [ untouched file ]
//
// Invariant: no file outside of the inputs has an entry whose age lies between an input's
// entries and the output's place in the tree (CheckPick). So the order of entries is the same
// before and after.
//
// Invariant: while a compaction runs, the tree changes only by new files on top of level 0.
//
// Invariant: apart from the decisions of a Filter, the store's content is the same whether or
// not the Change is committed. After a crash the outputs are files that no manifest lists, and
// are removed.
//
// Cost: each input is read once, each surviving entry is written once; memory is a read buffer
// for each run and one output block. With levels that grow by a factor of ten, a byte is
// rewritten approx. ten times for each level: O'Neil et al., "The log-structured merge-tree",
// 1996.
type Compaction struct {
	*Config
	tree   *version.Tree          // tree for which the compaction was picked
	From   int                    // highest level that has an input (0 is above 1)
	To     int                    // level of the output
	Inputs map[*version.File]bool // files that the outputs replace
	run    uint64                 // newest run of the inputs; becomes the run of the outputs
	moves  bool                   // the only input moves to level To without being rewritten

	older   version.OlderRuns // runs older than the output
	Outputs []*version.File   // files written, ascending by key

	stopAfter  int                                // end after this many input entries; 0: at their end
	End        []byte                             // key at which the compaction ended early; nil: it read all of its inputs
	remainders [version.NumLevels][]*version.File // unread rests of inputs, from End on, by level
}

// New plans a compaction of the files of a pick. Until it ends, the caller may change tree t
// only by new files on top of level 0. An invalid pick returns ErrPick.
func New(o *Config, t *version.Tree, pick Pick) (*Compaction, error) {
	c := &Compaction{Config: o, tree: t, From: version.NumLevels, To: pick.To, Inputs: make(map[*version.File]bool)}
	switch {
	case c.To < 0 || c.To >= version.NumLevels:
		return nil, fmt.Errorf("pick for level %d, want 0 to %d: %w", c.To, version.NumLevels-1, ErrPick)
	case !(pick.Share >= 0 && pick.Share <= 1): // also rejects NaN
		return nil, fmt.Errorf("share of %v, want 0 to 1: %w", pick.Share, ErrPick)
	}
	c.findInputs(pick)
	if len(c.Inputs) != len(pick.Files) {
		return nil, fmt.Errorf("a picked table is not in the tree, or is picked twice: %w", ErrPick)
	}
	if err := CheckPick(t, c.Inputs, c.To); err != nil {
		return nil, err
	}
	c.findOlder()
	c.moves = c.canMove()
	return c, nil
}

// findInputs looks up the files of a pick.
func (c *Compaction) findInputs(pick Pick) {
	wanted := make(map[uint64]bool, len(pick.Files))
	for _, number := range pick.Files {
		wanted[number] = true
	}
	for level, files := range c.tree.Levels {
		for _, f := range files {
			if wanted[f.Number] {
				c.Inputs[f] = true
				c.From = min(c.From, level)
				c.run = max(c.run, f.Run)
				c.stopAfter += int(math.Ceil(pick.Share * f.ClippedEntries()))
			}
		}
	}
}

// findOlder collects the runs that are older than the output. In level 0, files that are not
// inputs and overlap the output are newer: CheckPick rejects others.
func (c *Compaction) findOlder() {
	if c.To == 0 {
		_, oldest := inputsOfLevel0(c.tree, c.Inputs)
		for _, f := range c.tree.Levels[0][oldest+1:] {
			c.older.Add([]*version.File{f})
		}
	}
	for _, level := range c.tree.Levels[c.To+1:] {
		c.older.Add(level)
	}
}

// files returns the inputs, by level and in the order of the level.
func (c *Compaction) files() (files []*version.File) {
	for _, level := range c.tree.Levels {
		for _, f := range level {
			if c.Inputs[f] {
				files = append(files, f)
			}
		}
	}
	return files
}

// IsMove reports whether the only input moves to another level without being rewritten.
func (c *Compaction) IsMove() bool { return c.moves }

// canMove reports whether the compaction has one input that need not be rewritten. A file is
// rewritten if it has deletes or tombstones that hide nothing any more, to drop them; and if
// more than half of it is cut off, to free the disk space.
func (c *Compaction) canMove() bool {
	files := c.files()
	if len(files) != 1 || c.From == c.To {
		return false
	}
	f := files[0]
	deletes := f.Tombstones > 0 || f.Table.Info().Deletes > 0 || len(f.Table.Ranges()) > 0
	mostlyCut := f.Table.ClippedBytes() < f.Size/2 // the cut part would stay on disk
	return !mostlyCut && (!deletes || c.older.MayHave(f.Bounds))
}

// Merge writes the output files. After an error, the caller calls Discard.
func (c *Compaction) Merge() error {
	w := &runWriter{c: c}
	if err := c.Guard(func() error { return c.mergeInto(w) }); err != nil {
		return errors.Join(err, w.abort())
	}
	return c.openRemainders()
}

// mergeInto merges the inputs into w, until the end or the early end.
func (c *Compaction) mergeInto(w *runWriter) error {
	var m merge.Merger
	m.Reset(&c.Split, nil, c.sources())
	defer m.Close()
	w.ranges, w.obstacles = c.ranges(m.Sources), c.obstacles()
	c.older.Rewind()
	m.Seek(nil)
	step := paced(c.Yield)
	for m.Next() {
		if c.stopAfter > 0 && m.EntriesRead > c.stopAfter && w.beginsPartition(m.Key) {
			c.End = slices.Clone(head(m.Key, c.PartitionBytes))
			break
		}
		if err := w.write(&m); err != nil {
			return err
		}
		if err := step(valueBytes(&m)); err != nil {
			return err
		}
	}
	if m.Err != nil {
		return m.Err
	}
	return w.finish()
}

// valueBytes returns the size of the merger's current value, or 0 if the entry has none.
func valueBytes(m *merge.Merger) int64 {
	if !m.Kind.HasValue() {
		return 0
	}
	return m.Lookup.Size()
}

// openRemainders opens the unread rests of inputs after an early end. Inputs that start after
// the end are dropped from the compaction.
func (c *Compaction) openRemainders() error {
	if c.End == nil {
		return nil
	}
	left := run.Range{From: c.End}
	for level, files := range c.tree.Levels {
		for _, f := range files {
			switch {
			case !c.Inputs[f] || !f.Bounds.Overlaps(left):
			case bytes.Compare(f.Bounds.From, c.End) >= 0:
				delete(c.Inputs, f)
			default:
				remainder, err := c.Tables.OpenRemainder(f, c.End)
				if err != nil {
					return err
				}
				c.remainders[level] = append(c.remainders[level], remainder)
			}
		}
	}
	return nil
}

// BytesRead estimates the number of input bytes that the compaction has consumed.
func (c *Compaction) BytesRead() (n int64) {
	for f := range c.Inputs {
		n += f.Table.ClippedBytes()
	}
	for _, files := range c.remainders {
		for _, f := range files {
			n -= f.Table.ClippedBytes()
		}
	}
	return n
}

// sources returns the inputs as merge sources, from the newest run to the oldest.
func (c *Compaction) sources() (sources []merge.Source) {
	o := sstable.IteratorOptions{Readahead: merge.Readahead}
	for level, files := range c.tree.Levels {
		var ours []*version.File
		for _, f := range files {
			if !c.Inputs[f] {
				continue
			}
			if ours = append(ours, f); level == 0 {
				sources = append(sources, merge.FilesSource(ours, c.Lock, o))
				ours = nil
			}
		}
		if len(ours) > 0 {
			sources = append(sources, merge.FilesSource(ours, c.Lock, o))
		}
	}
	return sources
}

// ranges returns the range tombstones of the output: those of the inputs, except tombstones
// that cover no file of an older run.
func (c *Compaction) ranges(sources []merge.Source) (all run.Ranges) {
	var needed run.Ranges
	for _, s := range sources {
		for _, r := range s.Ranges {
			all.Add(r)
		}
	}
	for _, r := range all {
		for _, files := range c.older.Runs {
			if len(version.OverlappingSorted(files, version.BoundsOf, r)) > 0 {
				needed.Add(r)
				break
			}
		}
	}
	return needed
}

// obstacles returns the files of the output's level that are not inputs. No output file may
// overlap one.
func (c *Compaction) obstacles() (files []*version.File) {
	if c.To == 0 {
		return nil
	}
	for _, f := range c.tree.Levels[c.To] {
		if !c.Inputs[f] {
			files = append(files, f)
		}
	}
	return files
}

// Discard closes and removes the outputs of a compaction that is not committed.
func (c *Compaction) Discard() (err error) {
	for _, f := range c.Outputs {
		err = errors.Join(err, c.Tables.Close(f))
		c.Report(c.Tables.Remove(f.Number))
	}
	return errors.Join(err, c.CloseRemainders())
}

// CloseRemainders closes the virtual tables that were opened for the unread rests of inputs.
// It is called if the compaction is not committed.
func (c *Compaction) CloseRemainders() (err error) {
	for _, files := range c.remainders {
		for _, f := range files {
			err = errors.Join(err, c.Tables.Close(f))
		}
	}
	return err
}

// Change returns the change of the tree that completes the compaction. If the input moves, it
// is the output as well.
func (c *Compaction) Change() *version.Change {
	change := &version.Change{Removed: c.Inputs}
	if c.IsMove() {
		change.Added[c.To] = c.files()
		return change
	}
	change.Added = c.remainders
	change.Added[c.To] = append(change.Added[c.To], c.Outputs...)
	return change
}

// BytesToWrite estimates the maximum size of the outputs: the size of the inputs, or the given
// share of it if the compaction may end early.
func (c *Compaction) BytesToWrite(share float64) (n int64) {
	for f := range c.Inputs {
		n += f.Table.ClippedBytes()
	}
	if c.stopAfter > 0 {
		n = int64(share * float64(n))
	}
	return n
}
