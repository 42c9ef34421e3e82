package lsmstate

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/weirstate/weir/lsm"
	"github.com/weirstate/weir/snapshot"
	"github.com/weirstate/weir/state/backend"
)

// RestoreNative implements snapshot.NativeBackend: see nativeRestore.
func (b *Backend) RestoreNative(ctx context.Context, src snapshot.Source, handles []snapshot.Handle, unclaimed []backend.ID) error {
	// A handle without a declared state has nothing to restore.
	handles = slices.DeleteFunc(slices.Clone(handles), func(h snapshot.Handle) bool {
		return !slices.ContainsFunc(h.States, func(info backend.Info) bool { return !slices.Contains(unclaimed, info.ID()) })
	})
	if b.written || b.tier.hasRows() || len(b.cursors) > 0 {
		return fmt.Errorf("the backend was used before the restore: %w", backend.ErrNotEmpty)
	}
	b.tier.drop()
	r := nativeRestore{backend: b, source: src, staging: newStaging(b.directory, b.copies)}
	if err := errors.Join(r.makeTree(ctx, handles), r.staging.remove()); err != nil || len(r.parts) == 0 {
		return err
	}
	if err := r.wrapTableError(b.openTree(ctx)); err != nil {
		return err
	}
	b.written = true
	if err := b.dropUnclaimed(ctx, unclaimed); err != nil {
		return err
	}
	return b.loadTimers(ctx)
}

// nativeRestore is a restore from native snapshots in progress.
//
// Problem: after a change of parallelism a backend owns key groups of several snapshots, and parts
// of their tables. To read all rows and write them again takes minutes for large state, and the
// first checkpoint afterwards would have to upload everything.
//
// Idea: do not touch rows. Tables are sorted by key, and keys begin with the key group, so the
// backend's part of a table is one range of keys. A new tree is made that refers to the unchanged
// tables, by hard links, with a clip per table: a range outside of which nothing of the table
// counts. Compactions drop the rest later. A table keeps its identity, so the first incremental
// checkpoint shares its file.
//
//	snapshots   [ handle 0: groups 0-3 ]    [ handle 1: groups 4-7 ]     parallelism 2
//	tables        A: 0-3    B: 2-3            C: 4-7
//	backend 1 of 3 owns groups 3-5:
//	new tree      A clip 3  B clip 3          C clip 4-5                 parallelism 3
//
// Steps: (1) addHandle reads each description, checks it, and selects the tables that overlap
// the backend's ranges, rows and timers apart; (2) staging.fill links or copies their files;
// (3) lsm.Restore makes a tree of all parts; (4) dropUnclaimed deletes the rows of states that the
// program has not declared; (5) loadTimers caches the first timers.
//
// Invariant: the parts have no key in common, because each key group is in exactly one handle.
//
// Invariant: counters of appends are the maximum over all handles, so later appends go after the
// restored rows of every list.
//
// Invariant: the old tree, which is unused, is discarded only when all files are staged.
//
// Cost: one link or copy per table. Steps 1 to 3 read no row. Step 4 reads a row and writes a
// tombstone for each prefix of a state that the program has not declared. Step 5 reads the first
// timers of each key group.
type nativeRestore struct {
	backend *Backend
	source  snapshot.Source
	staging *staging
	parts   []lsm.Part
	files   []stagedFile // to be staged
	tables  []string     // name of the snapshot's file of each table in the new tree, by number from 1
}

// makeTree makes the tree of the backend from the snapshots, unless all of them are empty. It does
// not open the tree: remove must remove the staging directory first, since some systems cannot
// remove a link to an open file.
func (r *nativeRestore) makeTree(ctx context.Context, handles []snapshot.Handle) error {
	for i, h := range handles {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := r.addHandle(ctx, i, h); err != nil {
			return err
		}
	}
	if len(r.parts) == 0 {
		return nil
	}
	if err := r.staging.fill(ctx, r.source, r.files); err != nil {
		return err
	}
	b := r.backend
	if err := errors.Join(b.setSplit(), b.directory.checkTree()); err != nil {
		return err
	}
	if err := b.discardTree(); err != nil {
		return err
	}
	return wrapDescriptionError(lsm.Restore(ctx, b.directory.tree(), r.parts, b.options))
}

// addHandle reads the description of a handle and adds the tables in the backend's ranges.
func (r *nativeRestore) addHandle(ctx context.Context, i int, h snapshot.Handle) error {
	if len(h.Files) == 0 {
		return fmt.Errorf("handle has no files, want at least the description: %w", snapshot.ErrCorrupt)
	}
	d, err := readDescription(ctx, r.source, h.Files[0])
	if err != nil {
		return wrapFileError(h.Files[0].Name, err)
	}
	tree, locations, err := d.files(h)
	if err != nil {
		return wrapFileError(h.Files[0].Name, err)
	}
	r.backend.appends.raise(d.appends)
	if tree == nil {
		return nil
	}
	for _, keys := range r.rangesOf(h) {
		for _, t := range tree.Tables(keys.from, keys.to) {
			r.files = append(r.files, stagedTable(i, h, locations[t.Number]))
		}
		r.parts = append(r.parts, lsm.Part{Description: tree, From: keys.from, To: keys.to, Table: func(number uint64) string {
			f := stagedTable(i, h, locations[number])
			r.tables = append(r.tables, f.name())
			return r.staging.path(f)
		}})
	}
	return nil
}

// rangesOf returns the ranges of keys to take from a handle. If the handle has exactly the backend's
// key groups, it returns one range of all keys, so that a table with rows and timers is added once.
func (r *nativeRestore) rangesOf(h snapshot.Handle) []keyRange {
	own, groups := r.backend.registry.Keyspace().Groups, h.Keyspace.Groups
	if own == groups {
		return []keyRange{{}}
	}
	ranges := groupRanges(backend.GroupRange{First: max(own.First, groups.First), Last: min(own.Last, groups.Last)})
	return ranges[:]
}

// wrapTableError adds the name of the snapshot's file to an error about a table.
func (r *nativeRestore) wrapTableError(err error) error {
	var table *lsm.TableError
	if errors.As(err, &table) && 0 < table.Number && table.Number <= uint64(len(r.tables)) {
		return wrapFileError(r.tables[table.Number-1], wrapDescriptionError(err))
	}
	return wrapDescriptionError(err)
}
