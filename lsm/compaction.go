package lsm

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"

	"github.com/weirstate/weir/internal/run"
	"github.com/weirstate/weir/lsm/internal/directory"
	"github.com/weirstate/weir/lsm/internal/merge"
	"github.com/weirstate/weir/lsm/internal/version"
	"github.com/weirstate/weir/sstable"
)

// compaction makes one run of a level out of several.
type compaction struct {
	db     *DB
	before *version.Tree // as it was when the compaction was chosen
	from   int           // level of the first input
	to     int
	inputs map[*version.File]bool
	run    uint64 // newest of the inputs

	older   version.OlderRuns // than the output
	outputs []*version.File

	enough int                                // entries of inputs after which it ends, 0 for all
	end    []byte                             // where it has ended before its inputs, nil if it has not
	rest   [version.NumLevels][]*version.File // of inputs, from end on
}

func (db *DB) newCompaction(t *version.Tree, pick Pick) (*compaction, error) {
	c := &compaction{db: db, before: t, from: version.NumLevels, to: pick.To, inputs: make(map[*version.File]bool)}
	switch {
	case c.to < 0 || c.to >= version.NumLevels:
		return nil, fmt.Errorf("level %d: %w", c.to, ErrOption)
	case !(pick.Share >= 0 && pick.Share <= 1): // nor if it is no number
		return nil, fmt.Errorf("a share of %v: %w", pick.Share, ErrOption)
	}
	c.findInputs(pick)
	if len(c.inputs) != len(pick.Files) {
		return nil, fmt.Errorf("a table that is not there, or twice: %w", ErrOption)
	}
	if err := checkPick(t, c.inputs, c.to); err != nil {
		return nil, err
	}
	c.findOlder()
	return c, nil
}

// findInputs finds the files of a pick.
func (c *compaction) findInputs(pick Pick) {
	wanted := make(map[uint64]bool, len(pick.Files))
	for _, number := range pick.Files {
		wanted[number] = true
	}
	for level, files := range c.before.Levels {
		for _, f := range files {
			if wanted[f.Number] {
				c.inputs[f] = true
				c.from = min(c.from, level)
				c.run = max(c.run, f.Run)
				c.enough += int(math.Ceil(pick.Share * f.ClippedEntries()))
			}
		}
	}
}

// findOlder finds the runs that are older than the output. What overlaps it of
// level 0 and is no input is newer, or the pick was refused.
func (c *compaction) findOlder() {
	if c.to == 0 {
		_, oldest := inputsOfLevel0(c.before, c.inputs)
		for _, f := range c.before.Levels[0][oldest+1:] {
			c.older.Add([]*version.File{f})
		}
	}
	for _, level := range c.before.Levels[c.to+1:] {
		c.older.Add(level)
	}
}

// files are the inputs.
func (c *compaction) files() (files []*version.File) {
	for _, level := range c.before.Levels {
		for _, f := range level {
			if c.inputs[f] {
				files = append(files, f)
			}
		}
	}
	return files
}

// isMove says whether the one input can go down as it is. A file with deletes or
// tombstones under which nothing is left is rewritten, without them.
func (c *compaction) isMove() bool {
	files := c.files()
	if len(files) != 1 || c.from == c.to {
		return false
	}
	f := files[0]
	deletes := f.Tombstones > 0 || f.Table.Info().Deletes > 0 || len(f.Table.Ranges()) > 0
	mostlyUsed := f.Table.ClippedBytes() < f.Size/2 // the rest would stay on the disk
	return !mostlyUsed && (!deletes || c.older.MayHave(f.Bounds))
}

// merge writes the outputs.
func (c *compaction) merge() error {
	w := &runWriter{c: c}
	err := c.db.guard(func() error { return c.mergeInto(w) })
	if err != nil {
		return errors.Join(c.db.failIfPanic(err), w.abort())
	}
	return c.openRemainders()
}

// mergeInto is merge without what follows an error, or success.
func (c *compaction) mergeInto(w *runWriter) error {
	var m merge.Merger
	m.Reset(&c.db.o.Split, nil, c.sources())
	defer m.Close()
	w.ranges, w.obstacles = c.ranges(m.Sources), c.obstacles()
	c.older.Rewind()
	m.Seek(nil)
	for n := 1; m.Next(); n++ {
		if c.enough > 0 && m.Passed > c.enough && w.beginsPartition(m.Key) {
			c.end = slices.Clone(head(m.Key, c.db.o.PartitionBytes))
			break
		}
		if err := w.write(&m); err != nil {
			return err
		}
		if n%yieldEntries == 0 {
			runtime.Gosched() // the owner may be waiting for this processor
		}
		if n%stopEntries == 0 {
			if err := c.db.giveWay(); err != nil {
				return err
			}
		}
	}
	if m.Err != nil {
		return m.Err
	}
	return w.finish()
}

// openRemainders opens what the compaction has not come to of its inputs. One that lies
// behind its end is none any more.
func (c *compaction) openRemainders() error {
	if c.end == nil {
		return nil
	}
	left := run.Range{From: c.end}
	for level, files := range c.before.Levels {
		for _, f := range files {
			switch {
			case !c.inputs[f] || !f.Bounds.Overlaps(left):
			case bytes.Compare(f.Bounds.From, c.end) >= 0:
				delete(c.inputs, f)
			default:
				rest, err := c.db.tables.OpenRemainder(f, c.end)
				if err != nil {
					return err
				}
				c.rest[level] = append(c.rest[level], rest)
			}
		}
	}
	return nil
}

// bytesRead is about how much of the inputs the compaction has come to.
func (c *compaction) bytesRead() (n int64) {
	for f := range c.inputs {
		n += f.Table.ClippedBytes()
	}
	for _, files := range c.rest {
		for _, f := range files {
			n -= f.Table.ClippedBytes()
		}
	}
	return n
}

// giveWay lets flushes go first: writes wait for them sooner than for
// compactions.
func (db *DB) giveWay() error {
	db.owner.Lock()
	defer db.owner.Unlock()
	for db.stuck == nil && !db.closed && len(db.dueRuns()) > 0 && db.sealedBytes() > 0 {
		db.flusher.wake() // nobody may have told it
		db.progress.Wait()
	}
	if db.closed || db.ctx.Err() != nil {
		return ErrClosed
	}
	return db.failed
}

// sources are the inputs as runs, from the newest to the oldest.
func (c *compaction) sources() (sources []merge.Source) {
	o := sstable.IteratorOptions{Readahead: readahead}
	for level, files := range c.before.Levels {
		var ours []*version.File
		for _, f := range files {
			if !c.inputs[f] {
				continue
			}
			if ours = append(ours, f); level == 0 {
				sources = append(sources, merge.OfFiles(ours, &c.db.owner, o))
				ours = nil
			}
		}
		if len(ours) > 0 {
			sources = append(sources, merge.OfFiles(ours, &c.db.owner, o))
		}
	}
	return sources
}

// ranges are the range tombstones of the output: those of the inputs, but for
// what no older run has anything under.
func (c *compaction) ranges(sources []merge.Source) (all run.Ranges) {
	var needed run.Ranges
	for _, s := range sources {
		for _, r := range s.Ranges {
			all.Add(r)
		}
	}
	for _, r := range all {
		for _, files := range c.older.Runs {
			if len(version.Spanned(files, version.BoundsOf, r)) > 0 {
				needed.Add(r)
				break
			}
		}
	}
	return needed
}

// obstacles are the files of the output's level that stay. No file of the run may
// reach over one.
func (c *compaction) obstacles() (files []*version.File) {
	if c.to == 0 {
		return nil
	}
	for _, f := range c.before.Levels[c.to] {
		if !c.inputs[f] {
			files = append(files, f)
		}
	}
	return files
}

// discard gives outputs up that do not become part of the tree. A manifest may name
// them only if it was tried to commit them.
func (c *compaction) discard(committed bool) (err error) {
	if committed {
		err = c.db.giveUpTables(c.outputs...)
	} else {
		for _, f := range c.outputs {
			err = errors.Join(err, c.db.tables.Close(f))
			c.db.report(c.db.dir.Remove(directory.TableName(f.Number)))
		}
	}
	for _, files := range c.rest {
		for _, f := range files {
			err = errors.Join(err, c.db.tables.Close(f))
		}
	}
	return err
}
