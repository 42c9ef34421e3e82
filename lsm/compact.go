package lsm

import (
	"errors"
	"fmt"
	"time"

	"github.com/weirstate/weir/lsm/internal/manifest"
	"github.com/weirstate/weir/lsm/internal/version"
)

// minQuietTime must pass without a write before a store counts as settled. What is
// empty only because a checkpoint was just taken is written to again sooner.
const minQuietTime = 200 * time.Millisecond

// isStill says whether all that was written is in tables. The lock is held.
func (db *DB) isStill() bool { return db.active.Len() == 0 && len(db.versions.Current().Memory) == 0 }

// untilQuiet is how long it is until nothing was written for a while to a store that
// is still. The lock is held.
func (db *DB) untilQuiet() time.Duration { return db.quietTime - time.Since(db.lastSeal) }

// compactDue does the compaction that is due. If none is, but may be once it has
// been quiet, it waits for that.
func (db *DB) compactDue() (more bool, err error) {
	db.owner.Lock()
	still, quiet := db.isStill() && db.failed == nil, db.untilQuiet()
	db.owner.Unlock()
	if more, err = db.compactOnce(); more || err != nil || !still || quiet <= 0 {
		return more, err
	}
	select {
	case <-time.After(quiet):
	case <-db.compactor.woken:
	case <-db.ctx.Done():
	}
	return true, nil
}

// compactOnce does one compaction, if any is due.
func (db *DB) compactOnce() (more bool, err error) {
	db.compacting.Lock()
	defer db.compacting.Unlock()
	db.owner.Lock()
	failed, t, shape := db.failed != nil || db.damaged, db.versions.Current().Tree, db.shape()
	db.owner.Unlock()
	if failed {
		return false, nil
	}
	if covered := t.Covered(); len(covered) > 0 {
		return true, db.dropFiles(covered)
	}
	pick, err := db.askPicker(shape)
	if err != nil || pick == nil || len(pick.Files) == 0 {
		return false, err
	}
	return true, db.compact(t, *pick)
}

// reportCompaction takes down how a compaction has ended.
func (db *DB) reportCompaction(err error) {
	if err == nil {
		return
	}
	db.owner.Lock()
	// What is damaged stays so; what the picker or the filter wants wrongly it will
	// again.
	db.damaged = db.damaged || errors.Is(err, ErrCorrupt) || errors.Is(err, ErrOption) || errors.Is(err, ErrTooLarge)
	db.owner.Unlock()
	db.o.Events.CompactionFailed(err)
}

// Compact flushes and merges everything into one run, without what is deleted.
func (db *DB) Compact() error {
	if err := db.Flush(); err != nil {
		return err
	}
	db.compacting.Lock()
	defer db.compacting.Unlock()
	db.owner.Lock()
	err, t := db.mayWrite(), db.versions.Current().Tree
	db.owner.Unlock()
	if err != nil {
		return err
	}
	pick := Pick{To: 1}
	for level, files := range t.Levels {
		for _, f := range files {
			pick.Files = append(pick.Files, f.Number)
			pick.To = max(pick.To, level)
		}
	}
	if len(pick.Files) == 0 {
		return nil
	}
	return db.compact(t, pick)
}

// compact carries out a pick. db.compacting is held, so that files only come
// to level 0 meanwhile, before all that are there.
func (db *DB) compact(t *version.Tree, pick Pick) error {
	if err := db.o.Budget.compactions.take(db.ctx); err != nil {
		return err
	}
	defer db.o.Budget.compactions.give()
	begun := time.Now()
	c, err := db.newCompaction(t, pick)
	if err != nil {
		return fmt.Errorf("compaction: %w", err)
	}
	info := CompactionInfo{From: c.from, To: c.to}
	change := &manifest.Change{Removed: c.inputs}
	if c.isMove() {
		info.Moved = true
		change.Added[c.to] = c.files()
	} else {
		if err := db.makeRoomOnDisk(c.bytesToWrite(pick.Share)); err != nil {
			return fmt.Errorf("compaction of level %d: %w", c.from, err)
		}
		if err := c.merge(); err != nil {
			return fmt.Errorf("compaction of level %d: %w", c.from, errors.Join(err, c.discard(false)))
		}
		change.Added = c.rest
		change.Added[c.to] = append(change.Added[c.to], c.outputs...)
		info.FilesRead, info.FilesWritten = len(c.inputs), len(c.outputs)
		info.BytesRead = c.bytesRead()
		for _, f := range c.outputs {
			info.BytesWritten += f.Size
		}
	}
	if err := db.commit(change); err != nil {
		return fmt.Errorf("compaction of level %d: %w", c.from, errors.Join(err, c.discard(true)))
	}
	db.owner.Lock()
	if c.end == nil {
		db.detours = 0
	}
	db.o.Budget.handles.Trim(&db.owner)
	db.owner.Unlock()
	info.Took = time.Since(begun)
	db.counters.compacted(info)
	db.o.Events.Compacted(info)
	return nil
}

// dropFiles takes files out of the tree.
func (db *DB) dropFiles(files []*version.File) error {
	c := &manifest.Change{Removed: make(map[*version.File]bool)}
	for _, f := range files {
		c.Removed[f] = true
	}
	if err := db.commit(c); err != nil {
		return fmt.Errorf("drop %d tables: %w", len(files), err)
	}
	info := CompactionInfo{Dropped: true, FilesRead: len(files)}
	db.counters.compacted(info)
	db.o.Events.Compacted(info)
	return nil
}
