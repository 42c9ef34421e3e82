package compaction

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"

	"github.com/weirstate/weir/lsm/internal/merge"
	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/run"
	"github.com/weirstate/weir/sstable"
)

// Compaction makes one run of a level out of several.
type Compaction struct {
	*Config
	before *version.Tree // as it was when the compaction was chosen
	From   int           // level of the first input
	To     int
	Inputs map[*version.File]bool
	run    uint64 // newest of the inputs
	moves  bool   // the one input goes down as it is

	older   version.OlderRuns // than the output
	Outputs []*version.File

	enough int                                // entries of inputs after which it ends, 0 for all
	End    []byte                             // where it has ended before its inputs, nil if it has not
	rest   [version.NumLevels][]*version.File // of inputs, from end on
}

// New plans a compaction of files of a tree. Others only come above all that are
// there until it has ended.
func New(o *Config, t *version.Tree, pick Pick) (*Compaction, error) {
	c := &Compaction{Config: o, before: t, From: version.NumLevels, To: pick.To, Inputs: make(map[*version.File]bool)}
	switch {
	case c.To < 0 || c.To >= version.NumLevels:
		return nil, fmt.Errorf("level %d: %w", c.To, ErrPick)
	case !(pick.Share >= 0 && pick.Share <= 1): // nor if it is no number
		return nil, fmt.Errorf("a share of %v: %w", pick.Share, ErrPick)
	}
	c.findInputs(pick)
	if len(c.Inputs) != len(pick.Files) {
		return nil, fmt.Errorf("a table that is not there, or twice: %w", ErrPick)
	}
	if err := CheckPick(t, c.Inputs, c.To); err != nil {
		return nil, err
	}
	c.findOlder()
	c.moves = c.canMove()
	return c, nil
}

// findInputs finds the files of a pick.
func (c *Compaction) findInputs(pick Pick) {
	wanted := make(map[uint64]bool, len(pick.Files))
	for _, number := range pick.Files {
		wanted[number] = true
	}
	for level, files := range c.before.Levels {
		for _, f := range files {
			if wanted[f.Number] {
				c.Inputs[f] = true
				c.From = min(c.From, level)
				c.run = max(c.run, f.Run)
				c.enough += int(math.Ceil(pick.Share * f.ClippedEntries()))
			}
		}
	}
}

// findOlder finds the runs that are older than the output. What overlaps it of
// level 0 and is no input is newer, or the pick was refused.
func (c *Compaction) findOlder() {
	if c.To == 0 {
		_, oldest := inputsOfLevel0(c.before, c.Inputs)
		for _, f := range c.before.Levels[0][oldest+1:] {
			c.older.Add([]*version.File{f})
		}
	}
	for _, level := range c.before.Levels[c.To+1:] {
		c.older.Add(level)
	}
}

// files are the inputs.
func (c *Compaction) files() (files []*version.File) {
	for _, level := range c.before.Levels {
		for _, f := range level {
			if c.Inputs[f] {
				files = append(files, f)
			}
		}
	}
	return files
}

// IsMove reports whether the one input goes down as it is.
func (c *Compaction) IsMove() bool { return c.moves }

// canMove reports whether there is one input, and it can go down as it is. A file with deletes or
// tombstones under which nothing is left is rewritten, without them.
func (c *Compaction) canMove() bool {
	files := c.files()
	if len(files) != 1 || c.From == c.To {
		return false
	}
	f := files[0]
	deletes := f.Tombstones > 0 || f.Table.Info().Deletes > 0 || len(f.Table.Ranges()) > 0
	mostlyUsed := f.Table.ClippedBytes() < f.Size/2 // the rest would stay on the disk
	return !mostlyUsed && (!deletes || c.older.MayHave(f.Bounds))
}

// Merge writes the outputs.
func (c *Compaction) Merge() error {
	w := &runWriter{c: c}
	if err := c.Guard(func() error { return c.mergeInto(w) }); err != nil {
		return errors.Join(err, w.abort())
	}
	return c.openRemainders()
}

// mergeInto is merge without what follows an error, or success.
func (c *Compaction) mergeInto(w *runWriter) error {
	var m merge.Merger
	m.Reset(&c.Split, nil, c.sources())
	defer m.Close()
	w.ranges, w.obstacles = c.ranges(m.Sources), c.obstacles()
	c.older.Rewind()
	m.Seek(nil)
	for n := 1; m.Next(); n++ {
		if c.enough > 0 && m.EntriesRead > c.enough && w.beginsPartition(m.Key) {
			c.End = slices.Clone(head(m.Key, c.PartitionBytes))
			break
		}
		if err := w.write(&m); err != nil {
			return err
		}
		if n%yieldEntries == 0 {
			runtime.Gosched() // the owner may be waiting for this processor
		}
		if n%stopEntries == 0 {
			if err := c.Yield(); err != nil {
				return err
			}
		}
	}
	if m.Err != nil {
		return m.Err
	}
	return w.finish()
}

// openRemainders opens the parts of its inputs that the compaction has not come to. Inputs
// that start after the end are dropped from the compaction.
func (c *Compaction) openRemainders() error {
	if c.End == nil {
		return nil
	}
	left := run.Range{From: c.End}
	for level, files := range c.before.Levels {
		for _, f := range files {
			switch {
			case !c.Inputs[f] || !f.Bounds.Overlaps(left):
			case bytes.Compare(f.Bounds.From, c.End) >= 0:
				delete(c.Inputs, f)
			default:
				rest, err := c.Tables.OpenRemainder(f, c.End)
				if err != nil {
					return err
				}
				c.rest[level] = append(c.rest[level], rest)
			}
		}
	}
	return nil
}

// BytesRead is about how much of the inputs the compaction has come to.
func (c *Compaction) BytesRead() (n int64) {
	for f := range c.Inputs {
		n += f.Table.ClippedBytes()
	}
	for _, files := range c.rest {
		for _, f := range files {
			n -= f.Table.ClippedBytes()
		}
	}
	return n
}

// sources are the inputs as runs, from the newest to the oldest.
func (c *Compaction) sources() (sources []merge.Source) {
	o := sstable.IteratorOptions{Readahead: merge.Readahead}
	for level, files := range c.before.Levels {
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

// ranges are the range tombstones of the output: those of the inputs, but for
// what no older run has anything under.
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

// obstacles are the files of the output's level that stay. No file of the run may
// reach over one.
func (c *Compaction) obstacles() (files []*version.File) {
	if c.To == 0 {
		return nil
	}
	for _, f := range c.before.Levels[c.To] {
		if !c.Inputs[f] {
			files = append(files, f)
		}
	}
	return files
}

// Discard gives outputs up that do not become part of the tree, and removes their files.
func (c *Compaction) Discard() (err error) {
	for _, f := range c.Outputs {
		err = errors.Join(err, c.Tables.Close(f))
		c.Report(c.Tables.Remove(f.Number))
	}
	return errors.Join(err, c.CloseRemainders())
}

// CloseRemainders closes the remainders of inputs, when they do not become part of the tree.
func (c *Compaction) CloseRemainders() (err error) {
	for _, files := range c.rest {
		for _, f := range files {
			err = errors.Join(err, c.Tables.Close(f))
		}
	}
	return err
}

// Change returns what the compaction changes in the tree. Inputs that moved are the
// outputs.
func (c *Compaction) Change() *version.Change {
	change := &version.Change{Removed: c.Inputs}
	if c.IsMove() {
		change.Added[c.To] = c.files()
		return change
	}
	change.Added = c.rest
	change.Added[c.To] = append(change.Added[c.To], c.Outputs...)
	return change
}

// BytesToWrite is about the most that a merge writes: all of its inputs, or the share
// of them after which it ends.
func (c *Compaction) BytesToWrite(share float64) (n int64) {
	for f := range c.Inputs {
		n += f.Table.ClippedBytes()
	}
	if c.enough > 0 {
		n = int64(share * float64(n))
	}
	return n
}
